"""The supervisor alone, with programs in the server's place that end as servers may."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.errors import MachineError
from forebay.local.server import control, restart_record
from forebay.local.server.launch import ServerOptions
from forebay.local.server.supervisor import RestartPolicy
from forebay.serving.ports import bind
from forebay.serving.state import ServingFiles
from forebay.state import Home

# Says that it answers where it is told to, notes when it began, and ends.
PROGRAM = """
import json, sys, time
from pathlib import Path
folder, answers, code = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with (folder / "lives").open("a") as file:
    print(time.monotonic(), file=file)
if len((folder / "lives").read_text().splitlines()) <= answers:
    facts = {"pid": 1, "host": "127.0.0.1", "port": 1, "log": ""}
    (folder / "server.json").write_text(json.dumps(facts))
print("Traceback of an end", file=sys.stderr)
print("MemoryError: no room for \\x1b[31mred\\x1b[0m", file=sys.stderr)
sys.exit(code)
"""

Supervise = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def supervise(home: Home) -> Iterator[Supervise]:
    """Start a supervisor of a program that answers in its first lives, and ends each with a code."""
    home.serving.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def start(*, answers: int, code: int, log_file: str = "") -> "subprocess.Popen[bytes]":
        files = ServingFiles.of(home)
        program = [sys.executable, "-c", PROGRAM, str(files.folder), str(answers), str(code)]
        with bind("127.0.0.1", 0) as listener, Path(log_file or files.log).open("ab") as log:
            given = str(listener.fileno())
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "forebay.local.server.supervisor", str(home.root), given, *program],
                stdout=log, stderr=log, pass_fds=[listener.fileno()],
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def _until(test: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)  # between two looks at the condition above


def _told(home: Home) -> restart_record.RestartRecord:
    found = restart_record.read_restart_record(ServingFiles.of(home))
    return found or restart_record.RestartRecord(pid=0)


def test_waits_grow_from_a_second_to_a_minute() -> None:
    assert [RestartPolicy().backoff_s(lives) for lives in (1, 2, 3, 6, 7, 100)] == [1, 2, 4, 32, 60, 60]


def test_a_crash_loop_backs_off_and_status_serve_and_stop_say_what_happens(home: Home, supervise: Supervise) -> None:
    process = supervise(answers=1, code=1)
    _until(lambda: _told(home).count == 2 and bool(_told(home).next))
    lives = [float(line) for line in (home.serving / "lives").read_text().splitlines()]
    first, second = lives[1] - lives[0], lives[2] - lives[1]
    assert first >= 1
    assert second >= 2
    output = CliRunner().invoke(group, ["status"]).output
    assert "(exit code 1: MemoryError: no room for \\x1b[31mred" in output
    assert "was started again 2 times and will be at 20" in output
    assert "`forebay serve` does it now, `forebay stop` ends it" in output
    with pytest.raises(MachineError, match=r"does not start: exit code 1: MemoryError.*forebay stop"):
        control.ensure_server(home, ServerOptions("127.0.0.1", 0))  # wakes it up and sees it end again
    control.check_can_start(home, "127.0.0.1", 0)
    start = time.monotonic()
    assert control.stop_server(home) is True
    assert time.monotonic() - start < 10
    assert process.wait(10) == 0
    assert "server: not running." in CliRunner().invoke(group, ["status"]).output


def test_what_a_person_must_mend_is_not_tried_again(home: Home, supervise: Supervise) -> None:
    process = supervise(answers=1, code=2)
    assert process.wait(60) == 1
    assert _told(home).count == 0
    assert "given up at 20" in CliRunner().invoke(group, ["status"]).output


def test_a_server_that_never_answered_is_not_tried_again_and_leaves_its_code(home: Home, supervise: Supervise) -> None:
    process = supervise(answers=0, code=3)
    assert process.wait(60) == 3
    assert restart_record.read_restart_record(ServingFiles.of(home)) is None


def test_a_full_disk_ends_no_supervisor(home: Home, supervise: Supervise) -> None:
    process = supervise(answers=1, code=1, log_file="/dev/full")
    _until(lambda: _told(home).count == 1 and bool(_told(home).next))
    assert process.poll() is None
    assert control.stop_server(home) is True


def test_a_supervisor_ends_when_its_state_folder_is_gone(home: Home, supervise: Supervise) -> None:
    before = set(psutil.Process().children(recursive=True))  # of other tests
    process = supervise(answers=1, code=1)
    _until(lambda: bool(_told(home).next))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(home.root)
    assert process.wait(60) == 1
    assert set(psutil.Process().children(recursive=True)) <= before


def test_no_line_is_lost_and_no_file_grows_past_the_limit_while_logs_change(tmp_path: Path) -> None:
    program = """
import os, sys, threading
from pathlib import Path
from forebay.serving.log_file import redirect_output, rotate_if_full
path, written = Path(sys.argv[1]), threading.Barrier(5)
redirect_output(path)
def write(name):
    for number in range(400):
        sys.stderr.write(f"{name} {number} python\\n")
        os.write(2, f"{name} {number} library\\n".encode())  # as a library in C does
        if number % 10 == 9:
            written.wait()
threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
for thread in threads:
    thread.start()
for _ in range(40):
    rotate_if_full(path, 14_000)
    written.wait()
for thread in threads:
    thread.join()
"""
    path = tmp_path / "server.log"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=120)
    from forebay.serving.log_file import log_files

    lines = [line for file in log_files(path) for line in file.read_text().splitlines()]
    wanted = {f"{name} {number} {by}" for name in range(4) for number in range(400) for by in ("python", "library")}
    assert len(log_files(path)) > 2
    assert sorted(lines) == sorted(wanted)
    assert max(file.stat().st_size for file in log_files(path)) < 18_000  # lines between two checks come on top
    assert all(file.stat().st_mode & 0o077 == 0 for file in log_files(path))
