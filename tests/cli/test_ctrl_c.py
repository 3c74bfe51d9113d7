"""Ctrl-C and its like say what was kept and how to go on, and end with 128 and the signal's number."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from forebay.backend.summary import Event, summarize
from forebay.cli.command import command
from forebay.cli.main import group
from forebay.local.runs.interruption import interrupted_run, interrupted_steps
from forebay.signals import TERMINATING, SignalInterrupt, exit_status
from forebay.state import Home
from support.forebay_command import Forebay
from support.made_once import home_with
from support.row_tables import digits_table

LONG = ("--set", "train.model=mlp", "--set", "train.epochs=100000", "--set", "train.checkpoint_s=1")


def event(step: str, kind: str, **facts: Any) -> Event:
    return {"time": "2026-11-28T10:00:00+00:00", "step": step, "kind": kind, **facts}


INGESTED = [event("ingest", "started"), event("ingest", "finished", seconds=1.0)]
PREPROCESSED = [event("preprocess", "started"), event("preprocess", "finished", seconds=1.0)]
TRAINING = [event("train", "started"), event("train", "progress", done=34, total=1200, unit="steps")]
STOPPED = [event("train", "failed", seconds=3.0, error="ended by SIGTERM", permanent=False)]


@pytest.fixture
def checkpoint(home: Home) -> Home:
    folder = home.checkpoints / "training"
    folder.mkdir(parents=True)
    (folder / f"step-0000000034.{'0' * 64}").write_bytes(b"")
    return home


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "Ended by Ctrl-C before the first step. Kept: nothing. `forebay run` begins again."),
        (
            INGESTED,
            "Ended by Ctrl-C between two steps. Kept: ingest (not done again). "
            "`forebay run` with the same settings goes on from there.",
        ),
        (INGESTED[:1], "Ended by Ctrl-C in ingest. Kept: nothing. `forebay run` begins again."),
        (
            INGESTED + PREPROCESSED[:1],
            "Ended by Ctrl-C in preprocess. Kept: ingest (not done again). "
            "`forebay run` with the same settings goes on from there.",
        ),
        (
            INGESTED + PREPROCESSED + TRAINING + STOPPED,
            "Ended by Ctrl-C in train, at 34 of 1,200 steps. Kept: ingest and preprocess (not done again); the "
            "training's checkpoint of step 34. `forebay run` with the same settings goes on from there.",
        ),
        (
            TRAINING,
            "Ended by Ctrl-C in train, at 34 of 1,200 steps. Kept: ingest and preprocess (not done again); the "
            "training's checkpoint of step 34. `forebay run` with the same settings goes on from there.",
        ),
    ],
)
def test_what_a_run_kept_is_said_from_its_events(checkpoint: Home, events: list[Event], words: str) -> None:
    ended = interrupted_run(checkpoint, summarize("run", events), events, 130)
    assert str(ended) == words
    assert ended.exit_code == 130
    assert ended.summary is not None
    assert ended.summary["state"] == "interrupted"
    assert ended.summary["error"]["error"] == words


def test_of_single_steps_only_the_checkpoint_is_kept(checkpoint: Home) -> None:
    events = PREPROCESSED + TRAINING
    assert str(interrupted_steps(checkpoint, summarize("", events), events, 143)) == (
        "Ended by SIGTERM in train, at 34 of 1,200 steps. Kept: the training's checkpoint of step 34. "
        "The same command goes on from it."
    )
    assert "Kept: nothing. The same command begins again." in str(
        interrupted_steps(checkpoint, summarize("", INGESTED[:1]), INGESTED[:1], 130)
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (SignalInterrupt(signal.SIGTERM), 143),
        (SignalInterrupt(signal.SIGHUP), 129),
        (SystemExit(143), 143),
        (SystemExit(1), None),
        (SystemExit("words"), None),
        (ValueError(), None),
    ],
)
def test_an_end_by_a_signal_is_told_from_others(error: BaseException, status: int | None) -> None:
    assert exit_status(error) == status


@command("slow")
@click.option("--json", "as_json", is_flag=True)
def slow(as_json: bool) -> None:
    raise KeyboardInterrupt


def test_any_command_ends_with_130_and_a_sentence_never_with_aborted() -> None:
    answer = CliRunner().invoke(slow, [])
    assert answer.exit_code == 130
    assert answer.stderr == "Ended by Ctrl-C before it was done. Give the same command again.\n"
    assert "Ended by Ctrl-C" in json.loads(CliRunner().invoke(slow, ["--json"]).stdout)["error"]["error"]


@command("asking")
def asking() -> None:
    click.confirm("Really?")


def ended_at_a_question(
    program: click.Command,
    words: list[str],
    interrupt: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[object, str]:
    """The exit code and standard error of a command whose question is answered by this."""

    def ask(*_: object, **__: object) -> str:
        raise interrupt

    handlers = {number: signal.getsignal(number) for number in TERMINATING}
    monkeypatch.setattr("click.termui.visible_prompt_func", ask)
    with pytest.raises(SystemExit) as end:
        program.main(words, prog_name="forebay")
    for number, handler in handlers.items():
        signal.signal(number, handler)
    errors = capsys.readouterr().err
    assert "Aborted" not in errors
    return end.value.code, errors


@pytest.mark.parametrize(
    ("interrupt", "said", "code"),
    [
        (KeyboardInterrupt(), "Ended by Ctrl-C at the question. Nothing was changed.", 130),
        (SignalInterrupt(signal.SIGTERM), "Ended by SIGTERM at the question. Nothing was changed.", 143),
        (EOFError(), "Error: The question was not answered. Nothing was changed.", 2),
    ],
)
@pytest.mark.usefixtures("home")
def test_ctrl_c_at_the_question_of_down_is_told_in_our_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupt: BaseException,
    said: str,
    code: int,
) -> None:
    def down(request: object, home: object, show: object, confirm: Callable[[str], None], **_: object) -> None:
        confirm("Remove it?")

    monkeypatch.setattr("forebay.install.down.down", down)
    monkeypatch.setattr("forebay.cli.commands.install.can_answer", lambda: True)
    status, errors = ended_at_a_question(group, ["down", "--cluster", "kind"], interrupt, monkeypatch, capsys)
    assert status == code
    assert said in errors


@pytest.mark.parametrize(
    ("interrupt", "said", "code"),
    [
        (KeyboardInterrupt(), "Ended by Ctrl-C before it was done.", 130),
        (EOFError(), "Error: The input ended before the question was answered.", 2),
    ],
)
def test_a_question_of_any_command_never_ends_in_aborted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupt: BaseException,
    said: str,
    code: int,
) -> None:
    status, errors = ended_at_a_question(asking, [], interrupt, monkeypatch, capsys)
    assert status == code
    assert said in errors


@pytest.mark.parametrize("module", ["forebay.cli.main", "forebay.cli.commands.prune"])
def test_ctrl_c_while_modules_are_loaded_is_told_in_our_words(module: str) -> None:
    program = (
        "import builtins, sys\nload = builtins.__import__\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\nsys.argv = ['forebay', 'prune']\n"
        "from forebay.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "Ended by Ctrl-C before anything was done.\n"


def until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)  # between two looks; the process's end is what bounds them


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Forebay:
    """A working folder with `rows/`, the digits as ingest leaves them."""
    cli = Forebay(tmp_path_factory.mktemp("ctrl-c"))
    home_with(mlflow_template, cli.home)
    digits_table(cli.folder / "rows")
    return cli


def checkpoints(cli: Forebay) -> list[Path]:
    return sorted((cli.home / "checkpoints").glob("*/step-*"))


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_training_says_which_checkpoint_it_kept_on_the_screen_and_in_one_object(
    training: Forebay, number: signal.Signals, said: str
) -> None:
    out = f"model-{number}"
    seed = ("--set", f"train.seed={int(number)}")  # a training of its own
    before = len(checkpoints(training))
    process = training.start("train", "rows", "--out", out, *LONG, *seed, "--json")
    until(lambda: len(checkpoints(training)) > before, process)
    os.kill(process.pid, number)
    out_text, errors = process.communicate(timeout=600)
    assert process.returncode == 128 + number, errors
    found = json.loads(out_text)
    assert found["error"]["step"] == "train"
    newest = max(checkpoints(training), key=lambda path: path.stat().st_mtime)
    kept = f"Kept: the training's checkpoint of step {int(newest.name[5:15]):,}. The same command goes on from it."
    for words in (errors, found["error"]["error"]):
        assert f"Ended by {said} in train" in " ".join(words.split())
        assert kept in " ".join(words.split())
    assert "Aborted" not in errors
    assert "Traceback" not in errors
