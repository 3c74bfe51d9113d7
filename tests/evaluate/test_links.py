"""The report's links and its words about the champion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay import tracking
from forebay.contracts.evaluation import EvaluationResult
from forebay.evaluate import evaluate
from forebay.evaluate.champion_text import champion_sentences
from forebay.evaluate.examples import file_link, shortened
from forebay.evaluate.links import commit_page, find_links, mlflow_note
from forebay.settings import EvaluateConfig
from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home, StepLog

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def evaluation(digits_shards: Path, digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    root = tmp_path_factory.mktemp("links")
    log = StepLog(name="evaluate", run_id="run-7", home=Home(root / "home").open(), events=root / "events.jsonl")
    return evaluate(digits_shards, digits_bundle, root / "evaluation", EvaluateConfig(), log)


def with_gate(evaluation: EvaluationResult, **changes: Any) -> EvaluationResult:
    return replace(evaluation, gate={**evaluation.gate, **changes})


def with_run(evaluation: EvaluationResult) -> EvaluationResult:
    lineage = {"code_version": "other", "mlflow_run_id": "f00"}
    return replace(evaluation, model={**evaluation.model, "lineage": lineage})


def test_a_server_is_linked_at_its_own_address_without_the_login(
    evaluation: EvaluationResult, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MLFLOW_URI, "https://user:secret@mlflow.acme.com/base/")
    links = find_links(with_run(evaluation), "run-7", home)
    assert links["Run"][0].text == "run-7"
    assert links["Run"][1].url == "https://mlflow.acme.com/base/#/runs/f00"
    assert links["Version"][0].url == "https://mlflow.acme.com/base/#/models/digits"
    assert "secret" not in str(links) + mlflow_note(home)
    assert links["Code"][0].text == "other"
    assert links["Code"][0].url == ""


def test_a_database_is_linked_where_forebay_ui_answers(evaluation: EvaluationResult, mlflow_home: Home) -> None:
    links = find_links(with_run(evaluation), "run-7", mlflow_home)
    assert links["Run"][1].url == "http://127.0.0.1:5000/#/runs/f00"
    assert "“forebay ui” runs" in mlflow_note(mlflow_home)


def test_without_mlflow_or_with_another_store_nothing_is_linked(
    evaluation: EvaluationResult, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [link.url for link in find_links(with_run(evaluation), "", home)["Run"]] == ["", ""]
    assert mlflow_note(home) == ""
    monkeypatch.setenv(MLFLOW_URI, "databricks://profile")
    assert tracking.pages_address(home) == ""


@pytest.mark.parametrize(
    ("gate", "run_id", "note"),
    [
        ({"passed": True}, "run-7", "registered after this report: its version has the tag forebay.run_id = run-7"),
        ({"passed": True}, "", "measured alone: this registers no version"),
        ({"passed": False}, "run-7", "refused, so no version is registered"),
        ({"passed": True, "version": "3"}, "run-7", "the same weights"),
    ],
)
def test_the_version_is_told_as_far_as_it_is_known(
    evaluation: EvaluationResult, mlflow_home: Home, gate: dict[str, Any], run_id: str, note: str
) -> None:
    (link,) = find_links(with_gate(evaluation, **gate), run_id, mlflow_home)["Version"]
    assert link.note == note
    assert link.url.endswith("/#/models/digits/versions/3" if "version" in gate else "/#/models/digits")


def test_data_is_linked_where_it_lies_here(evaluation: EvaluationResult, home: Home, tmp_path: Path) -> None:
    for source, url in ((str(tmp_path), tmp_path.as_uri()), ("s3://bucket/x", ""), ("/nowhere/photos", "")):
        found = replace(evaluation, data={**evaluation.data, "source": source})
        (link,) = find_links(found, "", home)["Data"]
        assert (link.text, link.url) == (source, url)


@pytest.mark.parametrize(
    ("origin", "page"),
    [
        ("https://github.com/acme/vision", f"https://github.com/acme/vision/commit/{REVISION}"),
        ("https://me:token@github.com/acme/vision.git", f"https://github.com/acme/vision/commit/{REVISION}"),
        ("git@gitlab.com:acme/team/vision.git", f"https://gitlab.com/acme/team/vision/-/commit/{REVISION}"),
        ("ssh://git@codeberg.org/acme/vision", f"https://codeberg.org/acme/vision/commit/{REVISION}"),
        ("https://git.acme.com/vision", ""),
        ("/srv/git/vision.git", ""),
        ("https://evil.com/github.com/acme/vision", ""),
        ("", ""),
    ],
)
def test_the_page_of_a_revision_is_known_for_known_hosts(origin: str, page: str) -> None:
    assert commit_page(origin, REVISION) == page


def test_a_file_is_linked_only_inside_the_folder_of_its_source(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "a b.png").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"")
    assert file_link(folder, "cat/a b.png") == (folder / "cat" / "a b.png").as_uri()
    assert [file_link(folder, name) for name in ("../secret", str(tmp_path / "secret"), "cat", "x\0y")] == [""] * 4
    assert file_link(None, "cat/a b.png") == ""


def test_a_shortened_name_keeps_its_end() -> None:
    assert shortened("bird/0034.jpg", 40) == "bird/0034.jpg"
    assert shortened("x" * 100 + "/0034.jpg", 12) == "…xx/0034.jpg"
    assert len(shortened("x" * 100, 12)) == 12


def test_without_a_champion_the_report_says_what_judges_the_first_model(evaluation: EvaluationResult) -> None:
    (text,) = champion_sentences(evaluation)
    assert text.startswith("digits has no champion yet")
    assert "at least 50 %" in text
    assert "better than always answering the largest class" in text
    (refused,) = champion_sentences(with_gate(evaluation, passed=False))
    assert refused.startswith("There is no comparison with a champion: a rule above refused this model")


COMPARED = {
    "version": "3", "rows": 200, "candidate_accuracy": 0.95, "champion_accuracy": 0.93, "only_candidate_right": 6,
    "only_champion_right": 2, "p_value": 0.96484, "worst_class": "8", "worst_drop": 0.05, "uncompared": ["9"],
}  # fmt: skip


def test_a_comparison_is_told_in_words_with_its_interval(evaluation: EvaluationResult) -> None:
    found = with_gate(evaluation, champion=COMPARED)
    accuracies, test, classes = champion_sentences(found)
    assert "version 3, is right for 93.00 % of the 200 images" in accuracies
    assert "this model for 95.00 %: a difference of +2.00 points (95 % interval −0.9" in accuracies
    assert "right for 6 images that the champion gets wrong, and wrong for 2" in test
    assert "p = 0.965: not below 0.05" in test
    assert "“8”: 5.0 points of recall, within the 10 points allowed" in classes
    assert "class '9'" in classes
    worse = champion_sentences(with_gate(evaluation, champion=COMPARED | {"p_value": 0.01, "worst_drop": 0.2}))
    assert "significantly worse" in worse[1]
    assert "more than the 10 points" in worse[2]


def test_a_champion_without_shared_rows_is_named(evaluation: EvaluationResult) -> None:
    gate = {"champion": {"version": "3"}}
    assert "it is the same model" in champion_sentences(with_gate(evaluation, **gate))[0]
    assert "could not be compared" in champion_sentences(with_gate(evaluation, passed=False, **gate))[0]
