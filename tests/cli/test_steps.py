"""The steps as single commands: what each writes, prints and refuses. Spark starts once, for the shared ingest."""

import json
from pathlib import Path
from typing import Any

import pytest

from forebay.contracts.bundles.spec import read_spec
from forebay.contracts.manifest import DataManifest, SplitManifest
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog, is_sealed
from support.forebay_command import Forebay, ForebayHere
from support.made_once import home_with
from support.small_images import CLASSES, write_folder

PER_CLASS = 60
WRONG = ("--set", "train.model=resnet18", "--set", "train.width=64")  # a rule that needs the data
QUICK = ("--set", "train.model=mlp", "--set", "train.width=32", "--set", "train.epochs=3")


@pytest.fixture(scope="module")
def forebay(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Forebay:
    """One working folder with `shapes/`, the images."""
    cli = Forebay(tmp_path_factory.mktemp("steps"))
    home_with(mlflow_template, cli.home)
    write_folder(cli.folder / "shapes", PER_CLASS)
    return cli


@pytest.fixture(scope="module")
def ingested(forebay: Forebay) -> dict[str, Any]:
    """`rows/`, as `forebay ingest` wrote it, and what it printed."""
    return forebay.json("ingest", "--data", "shapes", "--out", "rows")


@pytest.fixture(scope="module")
def trained(forebay: Forebay, ingested: dict[str, Any]) -> dict[str, Any]:
    """`model/`, as `forebay train` wrote it, and what it printed."""
    return forebay.json("train", "rows", "--out", "model", *QUICK)


def test_ingest_writes_a_complete_table_and_says_what_is_in_it(forebay: Forebay, ingested: dict[str, Any]) -> None:
    manifest = DataManifest.read(forebay.folder / "rows")
    assert is_sealed(forebay.folder / "rows")
    assert ingested["data"] == {"rows": 2 * PER_CLASS, "classes": 2, "digest": manifest.digest, "quarantined": {}}
    assert [step["name"] for step in ingested["steps"]] == ["ingest"]
    assert ingested["out"] == "rows"


def test_train_writes_shards_and_a_bundle_that_names_its_data(forebay: Forebay, trained: dict[str, Any]) -> None:
    spec = read_spec(forebay.folder / "model" / "bundle")
    shards = SplitManifest.read(forebay.folder / "model" / "shards")
    assert spec.weights_sha256 == trained["model"]["weights_sha256"]
    assert spec.classes == list(CLASSES)
    assert spec.data["digest"] == shards.data_digest
    assert trained["metrics"]["epochs"] == 3
    assert [step["name"] for step in trained["steps"]] == ["preprocess", "train"]


@pytest.mark.usefixtures("trained")
def test_evaluate_measures_on_held_out_rows_of_an_ingest_folder(forebay: Forebay, ingested: dict[str, Any]) -> None:
    found = forebay.json("evaluate", "model/bundle", "--data", "rows")
    shards = SplitManifest.read(forebay.folder / "model" / "shards")
    assert found["data"] == ingested["data"]
    assert found["accuracy"]["rows"] == shards.splits["test"]
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]
    assert found["gate"]["passed"] is True
    weights_sha256 = read_spec(forebay.folder / "model" / "bundle").weights_sha256
    assert found["model"] == {"name": shards.name, "version": None, "weights_sha256": weights_sha256}
    assert [row["name"] for row in found["per_class"]] == list(CLASSES)
    assert Path(found["report"]).read_text().startswith("<!doctype html>")
    assert not (forebay.home / "evaluation" / "data").exists()


@pytest.mark.usefixtures("trained")
def test_evaluate_of_the_source_itself_prepares_it_as_the_training_did(forebay: Forebay) -> None:
    direct = forebay.json("evaluate", "model/bundle", "--data", "shapes", "--out", "evaluated")
    prepared = forebay.json("evaluate", "model/bundle", "--data", "model/shards")
    assert [step["name"] for step in direct["steps"]] == ["ingest", "preprocess", "evaluate"]
    assert [step["name"] for step in prepared["steps"]] == ["evaluate"]
    for fact in ("data", "accuracy", "model", "per_class"):
        assert direct[fact] == prepared[fact]
    assert direct["report"] == str(forebay.folder / "evaluated" / "report.html")


@pytest.mark.usefixtures("trained")
def test_evaluate_shows_a_table_per_class(forebay: Forebay) -> None:
    shown = forebay("evaluate", "model/bundle", "--data", "model/shards").stdout
    assert {"accuracy", "gate", "report", "class", *CLASSES} <= {line.split()[0] for line in shown.splitlines()}


def test_a_registered_version_is_measured_by_its_reference(
    digits_shards: Path, digits_bundle: Path, mlflow_home: Home, steplog: StepLog, tmp_path: Path
) -> None:
    evaluation = evaluate(digits_shards, digits_bundle, tmp_path / "evaluation", EvaluateConfig(), steplog)
    register(digits_shards, digits_bundle, evaluation.folder, RegisterConfig(), steplog)
    cli = Forebay(tmp_path, {"FOREBAY_HOME": str(mlflow_home.root)})
    found = cli.json("evaluate", "digits/1", "--data", digits_shards)
    assert found["model"] == {
        "name": "digits", "version": "1", "weights_sha256": read_spec(digits_bundle).weights_sha256
    }  # fmt: skip
    assert found["accuracy"]["value"] == evaluation.accuracy["value"]
    refused = cli.json("evaluate", "digits", "--data", digits_shards, "--set", "evaluate.min_accuracy=1", expect=3)
    assert refused["gate"]["passed"] is False
    assert "evaluate.min_accuracy" in refused["gate"]["reason"]
    here = ForebayHere(tmp_path, cli.environment)
    assert "no version '7'" in here("evaluate", "digits/7", "--data", digits_shards, expect=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ingest", "--data", "nowhere", "--out", "new"), "nowhere"),
        (("ingest", "--data", "shapes", "--out", "shapes"), "--out: shapes holds 'cross'"),
        (("ingest", "--data", "rows/rows", "--out", "rows"), "--out: rows/rows lies in rows"),
        (("ingest", "--data", "shapes", "--out", "new", "--set", "train.epochs=3"), "only the settings of ingest"),
        (("train", "shapes", "--out", "new"), "is not what `forebay ingest` wrote"),
        (("train", "rows", "--out", "new", "--set", "train.model=resnet81"), "near ones are resnet18"),
        (("run", "--model", "resnet81"), "near ones are resnet18"),
        (("train", "nowhere", "--out", "new"), "'nowhere' does not exist"),
        (("evaluate", "shapes", "--data", "shapes"), "not a model bundle"),
        (("evaluate", "nothing@champion", "--data", "shapes"), "no registered model 'nothing'"),
        (("ingest", "--out", "new"), "Missing option '--data'"),
    ],
)
def test_wrong_use_is_found_before_a_step_begins(forebay: Forebay, words: tuple[str, ...], message: str) -> None:
    answer = ForebayHere(forebay.folder)(*words, expect=2)
    assert message in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert not (forebay.folder / "new").exists()
    assert len(list((forebay.folder / "shapes" / "cross").iterdir())) == PER_CLASS


@pytest.mark.usefixtures("ingested")
def test_an_incomplete_ingest_folder_is_refused(forebay: Forebay, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "manifest.json").write_bytes((forebay.folder / "rows" / "manifest.json").read_bytes())
    for words in (("train", tmp_path, "--out", "new"), ("evaluate", "model/bundle", "--data", tmp_path)):
        assert "incomplete" in ForebayHere(forebay.folder)(*words, expect=2).stderr


@pytest.mark.usefixtures("ingested")
def test_a_step_that_fails_says_its_own_words_and_is_exit_code_1(forebay: Forebay) -> None:
    answer = forebay("train", "rows", "--out", "failed", *WRONG, "--json", expect=1)
    found = json.loads(answer.stdout)
    assert found["error"]["step"] == "train"
    assert "train.width" in found["error"]["error"]
    assert "Error: train: " in answer.stderr
    assert "Traceback" not in answer.stderr
