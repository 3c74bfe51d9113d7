"""On a cluster: what the chart gives, and the run that Kubeflow Pipelines' MLflow integration begins for a step."""

import os
from pathlib import Path

import pytest

from forebay import tracking
from forebay.contracts.manifest import SplitManifest
from forebay.settings.cluster_environment import MLFLOW_VARIABLES
from forebay.settings.environment import MLFLOW_RUN_ID
from forebay.state import Home
from forebay.train.loop.history import EpochRecord
from forebay.train.mlflow_run import TRAINING_TAG, TrackedRun
from support.made_once import home_with
from support.prepared_datasets import write_dataset

NAMES = (*MLFLOW_VARIABLES, *MLFLOW_VARIABLES.values(), MLFLOW_RUN_ID)


@pytest.fixture
def home(tmp_path: Path, mlflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that what the code sets goes with the test
    return home_with(mlflow_template, tmp_path / "home")


def test_a_step_takes_the_server_and_the_login_that_the_chart_gives(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_MLFLOW_URI", "http://mlflow:5000")
    monkeypatch.setenv("FOREBAY_MLFLOW_USERNAME", "pipelines")
    assert tracking.tracking_uri(home) == "http://mlflow:5000"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "pipelines"


def test_what_mlflows_own_variables_say_comes_first_with_its_login(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://kubeflow-gave-this:5000")
    monkeypatch.setenv("FOREBAY_MLFLOW_URI", "http://mlflow:5000")
    monkeypatch.setenv("FOREBAY_MLFLOW_USERNAME", "pipelines")
    assert tracking.tracking_uri(home) == "http://kubeflow-gave-this:5000"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == ""


def test_a_training_writes_into_the_run_that_was_begun_for_it_and_does_not_end_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tracking.client(home)
    experiment = tracking.experiment_id(client, home)
    begun = client.create_run(experiment, run_name="train").info.run_id
    monkeypatch.setenv(MLFLOW_RUN_ID, begun)
    warnings: list[str] = []
    data = SplitManifest.read(write_dataset(tmp_path / "data"))
    run = TrackedRun(
        home, "training-1", "resnet9", {"epochs": 1}, {"forebay.data": "d"}, warnings.append,
        data=tracking.DataInput(data=data),
    )  # fmt: skip
    run.log_epoch(
        EpochRecord(
            epoch=0, learning_rate=0.1, train_loss=1.0, train_accuracy=0.5, validation_loss=None,
            validation_accuracy=None, images=10, seconds=1.0,
        )
    )  # fmt: skip
    assert run.finish("FINISHED", timeout_s=60) == begun
    assert warnings == []
    (found,) = client.search_runs([experiment])
    assert found.info.status == "RUNNING", "who began it ends it"
    assert found.info.run_name == "train"
    assert found.data.tags[TRAINING_TAG] == "training-1"
    assert found.data.params == {"epochs": "1"}
    assert found.data.metrics["train_loss"] == 1.0
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("patterns", "d" * 36)
    tags = {tag.key: tag.value for tag in given.tags}
    assert (tags["mlflow.data.context"], tags["forebay.rows_train"]) == ("training", "320")
