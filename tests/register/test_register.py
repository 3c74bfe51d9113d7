"""Register: one version per bundle, whole or absent, loadable by plain MLflow, and no pickle anywhere."""

import json
import pickletools
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.spec import read_spec
from forebay.contracts.evaluation import EvaluationResult, read_smoke
from forebay.errors import ModelError
from forebay.evaluate import evaluate
from forebay.register import register, run_page
from forebay.register.run_page import NOTE_TAG
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from support.tiny_models import fit_mlp

KILLED_BEFORE_THE_VERSION = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from forebay.register import register
from forebay.settings import RegisterConfig
from forebay.state import Home, StepLog

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

MlflowClient.create_model_version = die
dataset, model, evaluation, home = map(Path, sys.argv[1:])
register(dataset, model, evaluation, RegisterConfig(), StepLog("register", "run-1", Home(home), home / "events.jsonl"))
"""


@pytest.fixture
def evaluation(digits_shards: Path, digits_bundle: Path, mlflow_home: Home, steplog: StepLog) -> EvaluationResult:
    return evaluate(digits_shards, digits_bundle, mlflow_home.root / "evaluation", EvaluateConfig(), steplog)


def add(dataset: Path, bundle: Path, evaluation: EvaluationResult, log: StepLog) -> str:
    return register(dataset, bundle, evaluation.folder, RegisterConfig(), log)


def test_plain_mlflow_loads_the_version_and_answers_as_evaluate_did(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "1"
    images, probabilities = read_smoke(evaluation.folder)
    model = mlflow.pyfunc.load_model("models:/digits/1")
    np.testing.assert_allclose(model.predict(images[:20]), probabilities[:20], atol=1e-5)
    schema = model.metadata.signature
    assert schema.inputs.inputs[0].shape == (-1, 8, 8, 1)
    assert schema.outputs.inputs[0].shape == (-1, 10)
    example = model.metadata.load_input_example(model.metadata.artifact_path)
    np.testing.assert_array_equal(example, images[:2])
    with pytest.raises(mlflow.MlflowException, match="shape"):
        model.predict(np.zeros((1, 9, 9, 1), np.uint8))


def test_tags_and_metrics_join_the_version_to_data_code_run_and_image(
    digits_shards: Path,
    digits_bundle: Path,
    evaluation: EvaluationResult,
    steplog: StepLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOREBAY_IMAGE", "forebay/pipeline:9")
    add(digits_shards, digits_bundle, evaluation, steplog)
    client = tracking.client(steplog.home)
    version = client.get_model_version("digits", "1")
    tags = version.tags
    assert tags["forebay.weights_sha256"] == read_spec(digits_bundle).weights_sha256
    assert tags["forebay.data_digest"] == evaluation.data["digest"]
    assert tags["forebay.code_version"] == "0.1.0+test"
    assert tags["forebay.run_id"] == steplog.run_id
    assert tags["forebay.image"] == "forebay/pipeline:9"
    assert tags["forebay.source"] == "/data/digits"
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert model.source_run_id == version.run_id
    assert model.status.name == "READY"
    assert {metric.key: metric.value for metric in model.metrics} == {
        f"test_{key}": pytest.approx(value) for key, value in evaluation.metrics.items()
    }
    run = client.get_run(version.run_id)
    assert run.data.metrics["test_accuracy"] == evaluation.accuracy["value"]
    assert version.description.startswith("- **Accuracy**: **")
    assert f"/runs/{version.run_id}/artifacts/report/report.html)" in version.description
    assert "10 classes: 0, 1, 2" in client.get_registered_model("digits").description


def test_the_page_of_the_run_has_data_report_numbers_and_note(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    add(digits_shards, digits_bundle, evaluation, steplog)
    client = tracking.client(steplog.home)
    run = client.get_run(client.get_model_version("digits", "1").run_id)
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", evaluation.data["digest"][:36])
    tags = {tag.key: tag.value for tag in given.tags}
    assert tags["mlflow.data.context"] == "training"
    assert tags["forebay.data_digest"] == evaluation.data["digest"]
    assert int(tags["forebay.rows_test"]) == evaluation.data["splits"]["test"]
    assert json.loads(given.dataset.profile)["num_rows"] == 1797
    assert mlflow.data.get_source(given).to_dict() == {"uri": "/data/digits"}
    report = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="report/report.html")
    assert Path(report).read_bytes() == evaluation.report.read_bytes()
    assert [file.path for file in client.list_artifacts(run.info.run_id, "evaluation")] == [
        "evaluation/evaluation.json"
    ]
    assert run.data.tags[NOTE_TAG].startswith(f"Forebay: **{evaluation.accuracy['value']:.2%}**")


def test_a_persons_note_and_description_stay_and_a_large_file_is_left_out(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client = tracking.client(steplog.home)
    client.create_registered_model("digits", description="mine")
    run = client.create_run(tracking.experiment_id(client, steplog.home), tags={NOTE_TAG: "look here"})
    run_id = run.info.run_id
    monkeypatch.setattr(run_page, "MAX_FILE_BYTES", evaluation.report.stat().st_size - 1)
    run_page.fill_run_page(client, run, evaluation, steplog)
    add(digits_shards, digits_bundle, evaluation, steplog)
    assert client.get_run(run_id).data.tags[NOTE_TAG] == "look here"
    assert client.get_registered_model("digits").description == "mine"
    assert "report/report.html" not in [file.path for file in client.list_artifacts(run_id, "report")]
    assert steplog.events is not None
    assert "report.html has" in steplog.events.read_text()


def test_one_training_under_two_names_is_two_versions_of_one_run(
    digits_shards: Path, mlflow_home: Home, steplog: StepLog, tmp_path: Path
) -> None:
    client = tracking.client(mlflow_home)
    run_id = client.create_run(tracking.experiment_id(client, mlflow_home)).info.run_id
    fit_mlp(digits_shards, tmp_path / "bundle", steps=3, mlflow_run_id=run_id)
    for name in ("first", "second"):
        settings = EvaluateConfig(min_accuracy=0.0, name=name)
        add(digits_shards, tmp_path / "bundle", evaluate(
            digits_shards, tmp_path / "bundle", tmp_path / name, settings, steplog), steplog)  # fmt: skip
        assert client.get_model_version(name, "1").run_id == run_id
    run = client.get_run(run_id)
    assert len(run.inputs.dataset_inputs) == 1
    assert "and second has no champion yet" in run.data.tags[NOTE_TAG]


def test_the_version_belongs_to_the_run_that_trained_it(
    digits_shards: Path, mlflow_home: Home, steplog: StepLog, tmp_path: Path
) -> None:
    client = tracking.client(mlflow_home)
    run_id = client.create_run(tracking.experiment_id(client, mlflow_home), run_name="train").info.run_id
    client.set_terminated(run_id)
    before = client.get_run(run_id).info
    fit_mlp(digits_shards, tmp_path / "bundle", steps=3, mlflow_run_id=run_id)
    found = evaluate(digits_shards, tmp_path / "bundle", tmp_path / "ev", EvaluateConfig(min_accuracy=0.0), steplog)
    add(digits_shards, tmp_path / "bundle", found, steplog)
    assert client.get_model_version("digits", "1").run_id == run_id
    after = client.get_run(run_id).info
    assert (after.status, after.end_time) == (before.status, before.end_time)


def test_a_training_run_that_is_gone_is_replaced_and_said(
    digits_shards: Path, mlflow_home: Home, steplog: StepLog, tmp_path: Path
) -> None:
    fit_mlp(digits_shards, tmp_path / "bundle", steps=3, mlflow_run_id="0" * 32)
    found = evaluate(digits_shards, tmp_path / "bundle", tmp_path / "ev", EvaluateConfig(min_accuracy=0.0), steplog)
    assert add(digits_shards, tmp_path / "bundle", found, steplog) == "1"
    assert steplog.events is not None
    warnings = [event["text"] for event in read_events(steplog.events)[0] if event["kind"] == "warning"]
    assert any(f"no run {'0' * 32}" in text for text in warnings)


def test_the_same_bundle_twice_gives_one_version_and_another_one_a_second(
    digits_shards: Path, digits_bundle: Path, poor_digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "1"
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "1"
    settings = EvaluateConfig(min_accuracy=0.0)
    other = evaluate(digits_shards, poor_digits_bundle, steplog.home.root / "other", settings, steplog)
    assert add(digits_shards, poor_digits_bundle, other, steplog) == "2"
    assert [item.version for item in registry.list_versions(steplog.home, "digits")] == ["2", "1"]
    assert steplog.events is not None
    results = [event for event in read_events(steplog.events)[0] if event["kind"] == "result"]
    weights = read_spec(poor_digits_bundle).weights_sha256
    assert results[-1]["model"] == {"name": "digits", "version": "2", "weights_sha256": weights}


def test_killed_before_the_version_it_leaves_none_and_the_next_run_completes(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    arguments = [str(digits_shards), str(digits_bundle), str(evaluation.folder), str(steplog.home.root)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_VERSION, *arguments], capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert registry.list_versions(steplog.home, "digits") == []
    assert registry.champion(steplog.home, "digits") is None
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "1"
    assert registry.resolve(steplog.home, "digits/1").folder.is_dir()


def test_a_version_whose_files_are_gone_is_registered_anew(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    add(digits_shards, digits_bundle, evaluation, steplog)
    shutil.rmtree(registry.resolve(steplog.home, "digits/1").folder)
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "2"
    assert add(digits_shards, digits_bundle, evaluation, steplog) == "2"
    assert registry.resolve(steplog.home, "digits/2").folder.is_dir()


def test_nothing_in_the_registry_is_a_pickle(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    add(digits_shards, digits_bundle, evaluation, steplog)
    files = [path for path in steplog.home.mlflow_artifacts.rglob("*") if path.is_file()]
    assert {"model.json", "weights.safetensors", "MLmodel"} <= {path.name for path in files}
    assert {path.suffix for path in files} <= {".json", ".yaml", ".txt", ".safetensors", ".html", ".png", ""}
    for path in files:
        assert not is_pickle(path.read_bytes()), path


def is_pickle(data: bytes) -> bool:
    try:
        for _ in pickletools.genops(data):
            pass
    except Exception:
        return data[:2] in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"} or data[:2] == b"PK"
    return True


def test_a_bundle_that_was_not_the_one_evaluated_is_refused(
    digits_shards: Path, poor_digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog
) -> None:
    with pytest.raises(ModelError, match=r"Evaluate this bundle before it is registered"):
        add(digits_shards, poor_digits_bundle, evaluation, steplog)
    assert registry.list_versions(steplog.home, "digits") == []
