"""Ensembles on real models and a real registry: made of versions, measured against the best member, and gated."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from forebay import registry, tracking
from forebay.backend.summary_text import summary_rows
from forebay.contracts.bundles.spec import HISTORY, SPEC, ModelSpec, read_spec, write_spec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.holdout import held_out_rows
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import DataError, ForebayError, ModelError
from forebay.evaluate import evaluate
from forebay.evaluate.history_charts import history_charts
from forebay.evaluate.significance import paired_difference_interval
from forebay.models import load_bundle
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig, TrainConfig
from forebay.state import Home, StepLog, is_sealed, seal
from forebay.train import fit
from support.tiny_models import fit_mlp

Assemble = Callable[..., Path]


def add_version(dataset: Path, bundle: Path, log: StepLog, name: str = "digits") -> str:
    """Register a bundle as a pipeline run does."""
    evaluation = evaluate(
        dataset, bundle, log.home.root / "measured", EvaluateConfig(name=name, min_accuracy=0.0, baseline="none"), log
    )
    return register(dataset, bundle, evaluation.folder, RegisterConfig(), log)


def changed(bundle: Path, folder: Path, change: Callable[[ModelSpec], ModelSpec]) -> Path:
    """A copy of a bundle whose spec says something else."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("_COMPLETE.json"))
    write_spec(folder, change(read_spec(folder)))
    seal(folder)
    return folder


@pytest.fixture
def versions(
    digits_shards: Path, digits_bundle: Path, poor_digits_bundle: Path, mlflow_home: Home, steplog: StepLog
) -> tuple[str, str]:
    """A good version of the digits and a poor one."""
    return tuple(f"digits/{add_version(digits_shards, each, steplog)}" for each in (digits_bundle, poor_digits_bundle))  # type: ignore[return-value]


@pytest.fixture
def assemble(digits_shards: Path, steplog: StepLog, tmp_path: Path) -> Assemble:
    """Make one bundle of versions, as the train step does."""

    def make(*versions: str, dataset: Path = digits_shards, out: str = "ensemble") -> Path:
        fit(dataset, tmp_path / out, TrainConfig(ensemble=",".join(versions), code_version="test"), steplog)
        return tmp_path / out

    return make


def test_versions_become_one_bundle_that_answers_their_mean_and_names_where_each_comes_from(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, poor_digits_bundle: Path,
    steplog: StepLog,
) -> None:  # fmt: skip
    folder = assemble(*versions)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    good, poor = (load_bundle(each).predict(test.images_NHWC()) for each in (digits_bundle, poor_digits_bundle))
    model = load_bundle(folder)
    assert model.predict(test.images_NHWC()).tobytes() == ((good + poor) / np.float32(2)).tobytes()
    assert is_sealed(folder)
    np.testing.assert_array_equal(model.examples_NHWC, test.images_NHWC(0, 4))
    spec = read_spec(folder)
    assert spec.training == {"members": 2, "versions": list(versions)}
    assert spec.data == read_spec(digits_bundle).data | {"exceptions": spec.data["exceptions"]}
    np.testing.assert_array_equal(
        held_out_rows(test.sha256, spec.data["holdout"], spec.data["exceptions"]), np.ones(len(test), np.bool_)
    )
    for origin, bundle, version in zip(
        spec.lineage["members"], (digits_bundle, poor_digits_bundle), versions, strict=True
    ):
        found = registry.resolve(steplog.home, version)
        assert origin["name"] == origin["version"] == version
        assert origin["weights_sha256"] == read_spec(bundle).weights_sha256
        assert found.record is not None
        assert origin["bundle_digest"] == found.record.digest
        assert origin["code_version"] == "0.1.0+test"
    curves = json.loads((folder / HISTORY).read_text())
    assert {point["member"] for point in curves} == {1, 2}
    assert len([point for point in curves if point["member"] == 2]) == 8
    run = tracking.client(steplog.home).get_run(spec.lineage["mlflow_run_id"])
    assert run.data.tags["forebay.members"] == ", ".join(versions)


def test_the_gain_over_the_best_member_is_measured_on_the_same_rows_and_stands_everywhere(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog
) -> None:
    folder = assemble(*versions)
    found = evaluate(digits_shards, folder, steplog.home.root / "evaluation", EvaluateConfig(name="digits"), steplog)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    together = load_bundle(folder).predict(test.images_NHWC()).argmax(1) == test.labels
    best = load_bundle(digits_bundle).predict(test.images_NHWC()).argmax(1) == test.labels
    wins, losses = int((together & ~best).sum()), int((~together & best).sum())
    ensemble = found.ensemble
    assert ensemble is not None
    assert ensemble["best"] == versions[0]
    assert (ensemble["only_ensemble_right"], ensemble["only_best_right"]) == (wins, losses)
    assert ensemble["gain"] == pytest.approx(found.accuracy["value"] - best.mean())
    assert ensemble["low"] < ensemble["gain"] < ensemble["high"]
    expected_p = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    assert ensemble["p_value"] == pytest.approx(expected_p)
    assert [member["name"] for member in ensemble["members"]] == list(versions)
    count = sum(weights.numel() for weights in load_bundle(digits_bundle)._network.parameters())  # type: ignore[attr-defined]
    assert [member["parameters"] for member in ensemble["members"]] == [count, count]
    assert ensemble["parameters"] == 2 * count
    assert all(member["cpu_ms"] >= 0 for member in ensemble["members"])
    assert found.metrics["ensemble_gain"] == ensemble["gain"]
    assert found.metrics["best_member_accuracy"] == best.mean()
    assert EvaluationResult.read(found.folder) == found
    html = found.report.read_text()
    assert "The ensemble and its members" in html
    assert f'title="{versions[1]}"' in html
    version = register(digits_shards, folder, found.folder, RegisterConfig(), steplog)
    client = tracking.client(steplog.home)
    run = client.get_run(client.get_model_version("digits", version).run_id)
    assert run.data.metrics["test_ensemble_gain"] == pytest.approx(ensemble["gain"])
    assert registry.resolve(steplog.home, f"digits/{version}").folder.is_dir()


def test_a_single_model_has_no_such_comparison(digits_shards: Path, digits_bundle: Path, steplog: StepLog) -> None:
    found = evaluate(digits_shards, digits_bundle, steplog.home.root / "evaluation", EvaluateConfig(), steplog)
    assert found.ensemble is None
    assert "ensemble" not in found.report.read_text()
    assert not [name for name in found.metrics if "ensemble" in name or "member" in name]


def test_the_gate_judges_an_ensemble_like_any_model(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, steplog: StepLog
) -> None:
    registry.set_champion(steplog.home, "digits", versions[0].partition("/")[2])
    poor = fit_mlp(digits_shards, steplog.home.root / "poor2", steps=5, seed=7)
    assert poor.architecture == "mlp"
    other = add_version(digits_shards, steplog.home.root / "poor2", steplog, name="other")
    worse = assemble(versions[1], f"other/{other}", out="worse")
    config = EvaluateConfig(name="digits", min_accuracy=0.0)
    refused = evaluate(digits_shards, worse, steplog.home.root / "evaluation", config, steplog)
    assert refused.decision == "refused"
    assert f"worse than the champion digits version {versions[0].partition('/')[2]}" in refused.gate["reason"]
    same = evaluate(digits_shards, assemble(*versions), steplog.home.root / "evaluation", config, steplog)
    assert same.gate["champion"]["rows"] == same.accuracy["rows"]


def test_an_ensemble_of_a_version_that_is_an_ensemble_takes_all_its_networks(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog
) -> None:
    both = add_version(digits_shards, assemble(*versions), steplog)
    folder = assemble(f"digits/{both}", versions[0], out="three")
    spec = read_spec(folder)
    names = [origin["name"] for origin in spec.lineage["members"]]
    assert names == [f"digits/{both} (1 of 2)", f"digits/{both} (2 of 2)", versions[0]]
    assert spec.training["members"] == 3
    curves = json.loads((folder / HISTORY).read_text())
    assert [len({p["epoch"] for p in curves if p["member"] == number}) for number in (1, 2, 3)] == [60, 8, 60]
    found = evaluate(digits_shards, folder, steplog.home.root / "evaluation", EvaluateConfig(), steplog)
    assert found.ensemble is not None
    assert found.ensemble["best"] in (names[0], names[2])


def test_rows_that_any_member_was_trained_on_do_not_count(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog,
    tmp_path: Path,
) -> None:  # fmt: skip
    half = changed(digits_bundle, tmp_path / "half", lambda spec: replace(spec, data={**spec.data, "holdout": 0.06}))
    other = add_version(digits_shards, half, steplog, name="other")
    folder = assemble(versions[0], f"other/{other}")
    spec = read_spec(folder)
    assert spec.data["holdout"] == 0.06
    found = evaluate(digits_shards, folder, steplog.home.root / "evaluation", EvaluateConfig(), steplog)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    expected = held_out_rows(test.sha256, 0.06, read_spec(half).data["exceptions"]).sum()
    assert 0 < expected < len(test)
    assert found.accuracy["rows"] == expected
    assert found.ensemble is not None
    assert found.ensemble["rows"] == expected


def test_without_a_row_that_all_held_out_it_says_so(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog,
    tmp_path: Path,
) -> None:  # fmt: skip
    none = changed(
        digits_bundle,
        tmp_path / "none",
        lambda spec: replace(spec, data={**spec.data, "holdout": 0.0, "exceptions": {}}),
    )
    client = tracking.client(steplog.home)
    other = _register_unmeasured(client, none, digits_shards, digits_bundle, steplog)
    with pytest.raises(DataError, match=rf"held out for every member \({versions[0]}, {other}\)"):
        assemble(versions[0], other)


def _register_unmeasured(client: Any, bundle: Path, dataset: Path, measured: Path, log: StepLog) -> str:
    """Register a bundle that cannot be evaluated here, by the evaluation of another one."""
    from forebay.contracts.bundles.digest import bundle_record

    config = EvaluateConfig(name="other", min_accuracy=0.0)
    found = evaluate(dataset, measured, log.home.root / "measured", config, log)
    facts = {**found.model, "bundle_digest": bundle_record(bundle).digest}
    facts["weights_sha256"] = read_spec(bundle).weights_sha256
    replace(found, model=facts).write()
    seal(found.folder)
    return f"other/{register(dataset, bundle, found.folder, RegisterConfig(), log)}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"classes": [*"abcdefghij"]}, r"other/1 knows the class 'a', digits/1 does not"),
        ({"fit": "letterbox"}, r"other/1 has images prepared with ingest\.fit letterbox, digits/1 has stretch"),
        ({"data": {"split_kind": "source"}}, r"trained on a split by hash, other/1 on one by source, so no row is"),
        ({"data": {}}, r"trained on a split by hash, other/1 on one by a rule that is not known"),
    ],
)
def test_a_version_that_does_not_fit_is_refused_by_name(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog,
    tmp_path: Path, change: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    other = changed(digits_bundle, tmp_path / "other", lambda spec: replace(spec, **change))
    _register_unmeasured(tracking.client(steplog.home), other, digits_shards, digits_bundle, steplog)
    with pytest.raises(ModelError, match=reason):
        assemble(versions[0], "other/1")


def test_classes_in_another_order_are_taken_by_name(
    versions: tuple[str, str], assemble: Assemble, digits_shards: Path, digits_bundle: Path, steplog: StepLog,
    tmp_path: Path,
) -> None:  # fmt: skip
    order = [*reversed([str(digit) for digit in range(10)])]
    turned = changed(digits_bundle, tmp_path / "turned", lambda spec: replace(spec, classes=order))
    _register_unmeasured(tracking.client(steplog.home), turned, digits_shards, digits_bundle, steplog)
    for names in (("other/1", versions[0]), (versions[0], "other/1")):
        folder = assemble(*names)
        assert read_spec(folder).classes == [str(digit) for digit in range(10)], "in the order of the data"
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test").images_NHWC(0, 20)
    single = load_bundle(digits_bundle).predict(test)
    expected = (single + single[:, ::-1]) / np.float32(2)
    assert load_bundle(folder).predict(test).tobytes() == expected.tobytes()


def test_a_version_that_is_not_there_or_another_one_or_changed_is_refused(
    versions: tuple[str, str], assemble: Assemble, steplog: StepLog
) -> None:
    with pytest.raises(ModelError, match="digits has no version '9'"):
        assemble(versions[0], "digits/9")
    with pytest.raises(ModelError, match="There is no registered model 'nobody'"):
        assemble(versions[0], "nobody/1")
    with pytest.raises(ModelError, match=f"{versions[1]} is another model than the one that was asked for"):
        assemble(versions[0], f"{versions[1]}#{'0' * 12}")
    with pytest.raises(ForebayError, match="has 2 to 32 networks, and these are 1"):
        assemble(versions[0])
    spec = registry.resolve(steplog.home, versions[1]).folder / SPEC
    spec.write_text(spec.read_text().replace('"fit": "stretch"', '"fit": "letterbox"'))
    with pytest.raises(ModelError, match=rf"version 2 is refused: .* {SPEC} was changed"):
        assemble(*versions)


def test_the_interval_of_a_paired_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    truth, held, rounds = 0.06 - 0.02, 0, 4000
    for wins, losses in rng.multinomial(200, [0.06, 0.02, 0.92], rounds)[:, :2]:
        low, high = paired_difference_interval(int(wins), int(losses), 200, 0.95)
        held += low <= truth <= high
    assert 0.94 <= held / rounds <= 0.975
    assert paired_difference_interval(0, 0, 100, 0.95)[0] < 0 < paired_difference_interval(0, 0, 100, 0.95)[1]


def test_the_curves_of_members_are_lines_of_their_own_with_one_legend() -> None:
    points = [
        {"member": member, "epoch": epoch, "train_loss": 1.0 / (epoch + member)}
        for member in (1, 2, 3)
        for epoch in (1, 2)
    ]
    (chart,) = history_charts(points)
    assert chart.count("<polyline") == 3
    assert chart.count('class="legend"') == 1


def test_the_summary_says_how_many_members_and_what_they_gain() -> None:
    facts = {
        "members": 3, "best": "seed 1", "best_accuracy": 0.95, "gain": 0.0125, "low": 0.002, "high": 0.023,
        "p_value": 0.02,
    }  # fmt: skip
    empty = {"run_id": None, "data": None, "steps": [], "gate": None, "model": None, "error": None, "accuracy": None}
    assert summary_rows({**empty, "ensemble": facts}) == [
        ("ensemble", "3 members, +1.25 % (+0.20 to +2.30) against the best of them, seed 1 with 95.00%")
    ]
