"""Fixtures that every area uses."""

from pathlib import Path

import pytest

from forebay.state import Home, StepLog


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh state folder that this process and its children use."""
    root = tmp_path / "home"
    monkeypatch.setenv("FOREBAY_HOME", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(root).open()


@pytest.fixture
def steplog(home: Home) -> StepLog:
    """A step's log that writes into a run folder of `home`."""
    run = home.new_run()
    return StepLog(name="test", run_id=run.run_id, home=home, events=run.events)
