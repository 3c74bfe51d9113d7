"""`forebay.run` and `forebay.submit`: what they refuse, how they end. tests/docs/test_python_page.py has whole runs."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forebay
from forebay.api.progress import HiddenView, NotebookView, progress_view
from forebay.api.render import RunView
from forebay.api.run_settings import parse_settings
from forebay.api.state_folder import state_folder
from forebay.local.runs import run as local_run
from forebay.state import Home
from forebay.state.lock import FileLock


def test_values_of_python_are_settings_as_the_command_line_has_them() -> None:
    given = {"train.epochs": 5, "train.dropout": 1e-5, "train.members": np.int64(2), "ingest.data": Path("/data")}
    text = {"train.epochs": "5", "ingest.data": "/data"}  # settings that take words as well
    assert parse_settings(given, train_seed=3, train_model=None) == {**given, **text, "train.seed": 3}
    assert parse_settings({"train.seed": 4}, train_seed=3) == {"train.seed": 4}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train.epoch": 5}, "no setting 'train.epoch'. Did you mean train.epochs"),
        ({"train.epochs": "many"}, "train.epochs must be auto or a whole number"),
        ({"train.epochs": None}, "train.epochs must be text, a number, True or False, or a path, got NoneType"),
        ({"train.epochs": [5]}, r"got list: \[5\]"),
        ({"train.nodes": 2}, "here the steps run on this machine"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(forebay.ConfigError, match=words):
        forebay.run(settings=settings, home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("variable", "words"), [("FOREBAY_PORT", "a whole number from 0"), ("FOREBAY_RUNNER", "one of")]
)
def test_a_variable_that_cannot_be_used_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(forebay.ConfigError, match=f"{variable} must be {words}.*got 'x'"):
        forebay.run(home=home.root)


def test_a_state_folder_in_use_is_refused(mlflow_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREBAY_PORT", "0")
    with (
        FileLock(mlflow_home.root / "lock").held("another run"),
        pytest.raises(forebay.LockHeldError, match="is held by another run"),
    ):
        forebay.run(show=False)


def test_ctrl_c_is_a_keyboard_interrupt_that_says_how_to_go_on(
    mlflow_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setenv("FOREBAY_PORT", "0")
    monkeypatch.setattr(local_run, "_watch", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"Ended by Ctrl-C before the first step\. Kept: nothing"):
        forebay.run(home=mlflow_home.root, show=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert not mlflow_home.lock.is_held()


def test_files_in_a_folder_that_others_may_enter_are_the_users_own(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with state_folder(tmp_path) as home:
        (home.root / "runs").touch()
    (tmp_path / "after").touch()
    assert (tmp_path / "runs").stat().st_mode & 0o077 == 0
    assert (tmp_path / "after").stat().st_mode & 0o077 != 0


def test_the_view_is_the_one_of_the_place() -> None:
    assert isinstance(progress_view(show=False), HiddenView)
    assert isinstance(progress_view(show=True), RunView)


def test_a_notebook_has_one_output_that_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, shown: dict[str, str], raw: bool) -> None:
            drawn.append(shown["text/plain"])

    def display(shown: dict[str, str], **_: Any) -> Handle:
        drawn.append(shown["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    with NotebookView() as view:
        view.show({"kind": "started", "step": "train"})
        view.show({"kind": "warning", "step": "train", "text": "mind the <gap>"})
        view.show({"kind": "finished", "step": "train", "seconds": 2.0})
    assert drawn == ["train       …", "train       2.0 s\nmind the <gap>"]


def test_following_a_run_takes_no_settings() -> None:
    with pytest.raises(forebay.ConfigError, match="follow looks at a run that is there already"):
        forebay.submit(follow="r1", seed=3)


def test_stop_says_whether_a_server_ran(home: Home) -> None:
    assert forebay.stop(home.root) is False


def test_predict_wants_the_name_of_a_model_and_a_server(home: Home) -> None:
    with pytest.raises(forebay.ConfigError, match="Name one of its models: name='digits'"):
        forebay.predict("http://127.0.0.1:9", ["image.png"])
    with pytest.raises(forebay.ConfigError, match="No server is running"):
        forebay.predict("digits", ["image.png"], home=home.root)
