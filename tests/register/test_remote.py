"""A registry on a real MLflow server: bundles travel over HTTP and are fetched once."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from forebay import registry, tracking
from forebay.evaluate import evaluate
from forebay.models import load_bundle
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog

READY_S = 120  # a loaded machine; ten seconds as a rule


@pytest.fixture
def server(mlflow_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = mlflow_home.root / "server"
    store.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{mlflow_home.mlflow_database}",
         "--artifacts-destination", str(store), "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        monkeypatch.setenv(tracking.URI_VARIABLE, url)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers too; nothing in it is worth a graceful end
        process.wait()


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert process.poll() is None, "the MLflow server ended"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no MLflow server after {READY_S} s")


def test_a_bundle_travels_to_the_server_and_back_once(
    server: str, digits_shards: Path, digits_bundle: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "another-machine").open()
    log = StepLog(name="register", run_id="run-1", home=home, events=tmp_path / "events.jsonl")
    found = evaluate(digits_shards, digits_bundle, tmp_path / "evaluation", EvaluateConfig(), log)
    assert register(digits_shards, digits_bundle, found.folder, RegisterConfig(), log) == "1"
    assert not home.mlflow_database.exists()

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
