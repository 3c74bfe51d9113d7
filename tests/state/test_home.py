"""The state folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.errors import ConfigError, LockHeldError
from forebay.state import FileLock, Home, write_json


def test_a_folder_of_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "format.json", {"format": 99})
    with pytest.raises(ConfigError, match=r"has format 99 and this version reads 1\. Use the version that made it"):
        Home(tmp_path).open()


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Set FOREBAY_HOME to a folder that you can write"):
        Home(tmp_path / "file" / "home").open()


def test_a_folder_of_somebody_elses_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "runs" / "of-another-tool").mkdir(parents=True)
    with pytest.raises(ConfigError, match=rf"{tmp_path} holds 'runs' and is no state folder of Forebay's"):
        Home(tmp_path).open()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_a_first_start_leaves_when_it_is_killed_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".format.json.abcd1234").write_text('{"for')
    assert (Home(tmp_path).open().root / "format.json").is_file()


def test_the_top_of_a_disk_can_be_the_state_folder(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert (Home(tmp_path).open().root / "format.json").is_file()


def test_two_first_starts_at_once_open_the_same_folder(tmp_path: Path) -> None:
    program = "import sys,pathlib\nfrom forebay.state import Home\nsys.stdin.read()\n" + (
        "home = Home(pathlib.Path(sys.argv[1])).open()\nwith home.lock.held('first', wait=True):\n pass"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "home")], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin
        child.stdin.close()
    assert [child.wait() for child in children] == [0] * 4


def test_the_folder_is_private_to_its_owner(tmp_path: Path) -> None:
    assert Home(tmp_path / "home").open().root.stat().st_mode & 0o077 == 0


def test_runs_are_listed_newest_first(home: Home) -> None:
    made = [home.new_run() for _ in range(3)]
    assert {run.run_id for run in home.list_runs()} == {run.run_id for run in made}
    assert [run.run_id for run in home.list_runs()] == sorted((run.run_id for run in made), reverse=True)


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    held_by_first = pytest.raises(LockHeldError, match=rf"held by first run \(process {os.getpid()}\)")
    with lock.held("first run"), held_by_first, FileLock(tmp_path / "lock").held("second run"):
        pass
    with lock.held("third run"):
        assert "third run" in lock.holder()


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    program = (
        "import sys,pathlib\nfrom forebay.state import FileLock\n"
        "with FileLock(pathlib.Path(sys.argv[1])).held('child'):\n print('held', flush=True)\n sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    with pytest.raises(LockHeldError, match="held by child"), FileLock(tmp_path / "lock").held("us"):
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with FileLock(tmp_path / "lock").held("us"):
        pass
