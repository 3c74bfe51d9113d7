"""`RunResult`: what a run gave, as attributes and in a notebook."""

import json
from pathlib import Path
from typing import Any

import pytest

import forebay
from forebay.api.curves import run_curves
from forebay.backend.summary import summarize
from forebay.contracts.bundles.spec import HISTORY
from forebay.state import Home, StepLog

ACCURACY = {"value": 0.75, "low": 0.6, "high": 0.9, "rows": 40}


def _result(tmp_path: Path, **facts: Any) -> forebay.RunResult:
    report = tmp_path / "report.html"
    report.write_text('<p class="a">Fische & "Vögel"</p>', encoding="utf-8")
    gate = {"passed": False, "reason": "accuracy 0.75 is <b>low</b>"}
    known = {"accuracy": ACCURACY, "gate": gate, "model": {"name": "birds"}, "report": str(report), "state": "refused"}
    return forebay.RunResult(summarize("20261121-152027-908118", []) | {"seconds": 1.0} | known | facts)


def test_a_refused_run_has_the_reason_and_no_version(tmp_path: Path) -> None:
    result = _result(tmp_path)
    assert (result.passed, result.gate) == (False, "accuracy 0.75 is <b>low</b>")
    assert (result.accuracy, result.accuracy_interval, result.rows) == (0.75, (0.6, 0.9), 40)
    assert (result.name, result.version, result.url) == ("birds", "", "")
    assert repr(result) == "RunResult(run_id='20261121-152027-908118', state='refused', accuracy=0.7500)"


def test_a_notebook_shows_table_and_report_and_runs_nothing_of_what_the_data_name(tmp_path: Path) -> None:
    html = _result(tmp_path)._repr_html_()
    assert "<td" in html
    assert "75.00%" in html
    assert "&lt;b&gt;low" in html
    assert (
        'srcdoc="&lt;p class=&quot;a&quot;&gt;Fische &amp;amp; &quot;Vögel&quot;&lt;/p&gt;"'.replace(
            "&amp;amp;", "&amp;"
        )
        in html
    )


def test_a_report_that_is_gone_leaves_the_table(tmp_path: Path) -> None:
    result = _result(tmp_path, report=str(tmp_path / "gone.html"))
    assert result.report is None
    assert "iframe" not in result._repr_html_()


def test_what_was_not_measured_yet_says_so(tmp_path: Path) -> None:
    with pytest.raises(forebay.ForebayError, match="is submitted and has measured no accuracy"):
        _result(tmp_path, accuracy=None, state="submitted").accuracy  # noqa: B018


def test_the_curves_are_those_that_the_training_told(home: Home, steplog: StepLog) -> None:
    for epoch in (1, 2):
        steplog.emit("epoch", epoch=epoch, epochs=2, measures={"train_loss": 1 / epoch})
    run = home.list_runs()[0]
    assert run_curves(run) == [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5}]


def test_the_curves_of_a_training_from_the_cache_are_those_of_its_bundle(home: Home, tmp_path: Path) -> None:
    bundle = tmp_path / "a b" / "train" / "bundle"
    bundle.mkdir(parents=True)
    curves = [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.9}]
    (bundle / HISTORY).write_text(json.dumps(curves))
    run = home.new_run()
    run.engine_log.write_text(f'    "uri": {json.dumps(str(bundle))},\n')
    assert run_curves(run) == curves
