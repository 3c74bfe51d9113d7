"""What is made in a state folder is its owner's alone; what is handed over has the modes of the person's umask."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.local.containers.step_containers import with_private_umask
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.state import FileLock, Home, step, write_json
from forebay.state.file_modes import apply_user_umask, private_files


@pytest.fixture(autouse=True)
def wide_umask() -> Iterator[None]:
    """As a shell may have it in which everybody of a group works together."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folders_made_in_the_block_and_by_its_processes_are_private(tmp_path: Path) -> None:
    with private_files():
        write_json(tmp_path / "folder" / "file.json", {})
        subprocess.run(["sh", "-c", f"mkdir {tmp_path}/made; echo > {tmp_path}/made/file"], check=True)
    assert _mode(tmp_path / "folder") == _mode(tmp_path / "made") == 0o700
    assert _mode(tmp_path / "folder" / "file.json") == _mode(tmp_path / "made" / "file") == 0o600
    assert os.umask(0o002) == 0o002


def test_a_step_of_a_run_writes_private_files_and_one_outside_does_not(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home.new_run()
    for events, mode in ((run.events, 0o600), (tmp_path / "events.jsonl", 0o664)):
        monkeypatch.setenv(EVENTS_VARIABLE, str(events))
        with step("train"):
            write_json(tmp_path / "made.json", {})
        assert _mode(tmp_path / "made.json") == mode
        assert _mode(events) == 0o600


def test_a_lock_is_its_owners(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock").held("a test"):
        assert _mode(tmp_path / "lock") == 0o600


def test_what_is_handed_over_has_the_modes_that_the_umask_says(tmp_path: Path) -> None:
    result = tmp_path / "result"
    with private_files():
        write_json(result / "deep" / "file.json", {})
        (result / "program").touch(mode=0o700)
        (result / "link").symlink_to("/nowhere")
        apply_user_umask(result)
    assert _mode(result) == _mode(result / "deep") == _mode(result / "program") == 0o775
    assert _mode(result / "deep" / "file.json") == 0o664


@pytest.mark.usefixtures("home")
def test_a_compiled_pipeline_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    assert CliRunner().invoke(group, ["compile", "--out", str(tmp_path / "out.yaml")]).exit_code == 0
    assert _mode(tmp_path / "out.yaml") == 0o664


def test_a_containers_command_runs_as_it_is_under_the_private_umask(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; Path(sys.argv[1]).touch(); print(sys.argv[2:])"
    words = [
        sys.executable,
        "-c",
        program,
        str(tmp_path / "file"),
        "two words",
        "$HOME",
        "--executor_input",
        '{"a": "b"}',
    ]
    done = subprocess.run(with_private_umask(words), check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(words[4:])
    assert _mode(tmp_path / "file") == 0o600
