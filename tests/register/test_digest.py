"""What a registered version is, to the last byte of every file; and versions from before that was on record."""

import shutil
from pathlib import Path

import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import SPEC, WEIGHTS, read_spec, regular_file_sha256
from forebay.errors import ModelError
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog, read_json, write_json
from forebay.state.sealed import MARKER
from support.made_once import home_with


@pytest.fixture(scope="module")
def evaluation(
    digits_shards: Path, digits_bundle: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What evaluate wrote of the digits' bundle, for every test."""
    home = home_with(mlflow_template, tmp_path_factory.mktemp("evaluated"))
    log = StepLog(name="evaluate", run_id="", home=home, events=home.root / "events.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return evaluate(digits_shards, digits_bundle, home.root / "evaluation", EvaluateConfig(), log).folder


@pytest.fixture
def changeable(digits_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the digits' bundle, without the seal of the step that wrote it."""
    bundle = Path(shutil.copytree(digits_bundle, tmp_path / "changeable"))
    (bundle / MARKER).unlink()
    return bundle


def test_classes_that_are_turned_round_after_the_evaluation_are_not_registered(
    digits_shards: Path, changeable: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    found = evaluate(digits_shards, changeable, mlflow_home.root / "evaluation", EvaluateConfig(), steplog)
    spec = read_json(changeable / SPEC)
    write_json(changeable / SPEC, {**spec, "classes": spec["classes"][::-1]})
    with pytest.raises(ModelError, match=r"was changed since .* Evaluate this bundle before it is registered"):
        register(digits_shards, changeable, found.folder, RegisterConfig(), steplog)


def test_a_version_carries_digest_and_files_and_an_older_one_gets_them_when_registered_again(
    digits_shards: Path, digits_bundle: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    version = register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog)
    registered = registry.resolve(mlflow_home, "digits/1")
    assert registered.record == bundle_record(digits_bundle)
    assert registered.note == ""
    forget_record(mlflow_home, version)
    older = registry.resolve(mlflow_home, "digits/1")
    assert older.record is None
    assert "only its weights are checked" in older.note
    assert register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog) == version
    assert registry.resolve(mlflow_home, "digits/1").record == bundle_record(digits_bundle)


def test_of_an_older_version_the_weights_are_what_was_registered(
    digits_shards: Path, digits_bundle: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    forget_record(mlflow_home, register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog))
    folder = registry.resolve(mlflow_home, "digits/1").folder
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    spec = read_json(folder / SPEC)
    write_json(folder / SPEC, {**spec, "weights_sha256": regular_file_sha256(folder / WEIGHTS)})
    read_spec(folder)  # in itself it is whole
    with pytest.raises(ModelError, match=r"digits version 1 is refused: .*weights.safetensors: sha256"):
        registry.resolve(mlflow_home, "digits/1")


def test_the_same_weights_that_answer_otherwise_are_another_version(
    digits_shards: Path, digits_bundle: Path, changeable: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog)
    spec = read_json(changeable / SPEC)
    write_json(changeable / SPEC, {**spec, "std": [each * 2 for each in spec["std"]]})
    settings = EvaluateConfig(min_accuracy=0.0)
    again = evaluate(digits_shards, changeable, mlflow_home.root / "again", settings, steplog)
    assert register(digits_shards, changeable, again.folder, RegisterConfig(), steplog) == "2"


def forget_record(home: Home, version: str) -> None:
    """As an earlier Forebay left it."""
    for tag in (registry.DIGEST_TAG, registry.FILES_TAG):
        tracking.client(home).delete_model_version_tag("digits", version, tag)
