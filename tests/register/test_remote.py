"""A registry on a real MLflow server: bundles travel over HTTP and are fetched once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from forebay import registry, tracking
from forebay.evaluate import evaluate
from forebay.models import load_bundle
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home, StepLog
from support.mlflow_server import mlflow_server


@pytest.fixture
def server(mlflow_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with mlflow_server(mlflow_home.mlflow_database, mlflow_home.root / "server") as url:
        monkeypatch.setenv(MLFLOW_URI, url)
        yield url


def test_a_bundle_travels_to_the_server_and_back_once(
    server: str, digits_shards: Path, digits_bundle: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "another-machine").open()
    log = StepLog(name="register", run_id="run-1", home=home, events=tmp_path / "events.jsonl")
    found = evaluate(digits_shards, digits_bundle, tmp_path / "evaluation", EvaluateConfig(), log)
    assert register(digits_shards, digits_bundle, found.folder, RegisterConfig(), log) == "1"
    assert not home.mlflow_database.exists()
    client = tracking.client(home)
    version = client.get_model_version("digits", "1")
    assert "### How to call it" in version.description
    paths = [file.path for folder in ("report", "evaluation") for file in client.list_artifacts(version.run_id, folder)]
    assert {"report/report.html", "evaluation/evaluation.json"} <= set(paths)
    assert [each.dataset.name for each in client.get_run(version.run_id).inputs.dataset_inputs] == ["digits"]

    registry.set_champion(home, "digits", "1")
    bundle = registry.resolve(home, "digits@champion")
    assert bundle.folder.is_relative_to(home.downloads)
    zeros = np.zeros((1, 8, 8, 1), np.uint8)
    np.testing.assert_array_equal(load_bundle(bundle.folder).predict(zeros), load_bundle(digits_bundle).predict(zeros))

    fetched = (bundle.folder / "model.json").stat().st_mtime_ns
    assert registry.resolve(home, "digits/1").folder == bundle.folder
    assert (bundle.folder / "model.json").stat().st_mtime_ns == fetched
    assert [path.name[0] for path in home.downloads.iterdir()] == ["d"]  # no temporary folder is left
    assert register(digits_shards, digits_bundle, found.folder, RegisterConfig(), log) == "1"
