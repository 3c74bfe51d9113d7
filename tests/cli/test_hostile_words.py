"""Words that nobody means: empty, too long, not UTF-8, of folders that are gone. Each is refused in one paragraph."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.main import group

LONG, NO_TEXT = "x" * 5000, os.fsdecode(b"b\xff")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOREBAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FOREBAY_DEBUG", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quarantine", LONG], "the name is longer than a file system takes"),
        (["ingest", "--data", "digits", "--out", LONG], "the name is longer than a file system takes"),
        (["compile", "--out", LONG], "File name too long"),
        (["compile", "--out", ""], "--out: an empty name is no file"),
        (["new", "model", f"{NO_TEXT}.py"], "holds \\udcff"),
        (["run", "--set", LONG], "--set takes KEY=VALUE, got 'xxx"),
        (["run", "--name", LONG], "evaluate.name must look like my-model"),
        (["weights", "fetch", ""], "needs a NAME"),
        (["weights", "fetch", "timm/resnet18", "--to", "ftp://x"], "--to: ftp://x is no store"),
        (["status", "--namespace", "x"], "--namespace goes with --cluster"),
        (["quarantine", ""], "There is no run in "),
        (["logs", "train", "--run", "nope"], "There is no run in "),
    ],
)
def test_each_is_wrong_use_in_words_that_fit_a_screen(folder: Path, words: list[str], said: str) -> None:
    answer = CliRunner().invoke(group, words)
    assert answer.exit_code == 2, answer.output
    assert said in answer.stderr
    assert "fault of Forebay" not in answer.stderr
    assert len(answer.stderr) < 1000
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["runs"], ["predict", "--url", "http://127.0.0.1:1", "--name", "a", "/etc/hostname"]]
)
def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, words: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "FOREBAY_HOME"}
    program = f"import os; os.rmdir({str(gone)!r}); from forebay.cli import main; main()"
    command = [sys.executable, "-P", "-c", program, *words]
    done = subprocess.run(command, cwd=gone, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: The folder that you work in is gone: it was removed or moved. Change to one that is there.\n"
    )


def test_a_file_whose_name_is_no_text_is_written_and_named() -> None:
    program = "from forebay.cli import main; main()"
    command = [sys.executable, "-c", program, "compile", "--out", b"b\xff.yaml"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"Wrote b\\udcff.yaml.\n")


def test_the_path_of_a_report_is_printed_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / NO_TEXT / "runs" / "20261121-093000-482913"
    run.mkdir(parents=True)
    (run.parents[1] / "format.json").write_text('{"format": 1}')
    (run / "report.html").touch()
    monkeypatch.setenv("FOREBAY_HOME", str(run.parents[1]))
    answer = CliRunner().invoke(group, ["report"])
    assert answer.stdout_bytes == os.fsencode(run / "report.html") + b"\n"
