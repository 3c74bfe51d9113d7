"""`forebay ui` says its address when it answers, and takes its server with it. A small server stands for MLflow's."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from forebay.errors import MachineError
from forebay.local.mlflow_ui import UiServer

SERVER = """
import http.server, os, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])  # which nobody tells to end
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
COMMAND = """
import sys
from pathlib import Path
from forebay.local.mlflow_ui import UiServer
from forebay.signals import raise_on_signals
raise_on_signals()
with UiServer(command_line=sys.argv[3:], port=int(sys.argv[1]), folder=Path(sys.argv[2])) as server:
    server.wait_until_it_answers(print)
    print("answers", flush=True)
    server.wait_until_it_ends()
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def command(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A command that has said that its server answers."""
    words = [sys.executable, "-c", COMMAND, str(port), str(tmp_path), sys.executable, "-c", SERVER, str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "answers\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_the_whole_tree_ends_with_the_command_however_it_ends(
    tmp_path: Path, port: int, number: signal.Signals
) -> None:
    with command(tmp_path, port) as process:
        tree = psutil.Process(process.pid).children(recursive=True)
        assert len(tree) == 3, "the guardian, the server and its worker"
        socket.create_connection(("127.0.0.1", port), timeout=60).close()  # it said so only when it answered
        os.kill(process.pid, number)
        process.wait(timeout=300)
        assert psutil.wait_procs(tree, timeout=300)[1] == []


def test_a_killed_guardian_takes_nothing_with_it_that_the_command_does_not_end(tmp_path: Path, port: int) -> None:
    with command(tmp_path, port) as process:
        guardian, *others = psutil.Process(process.pid).children(recursive=True)
        guardian.kill()
        process.wait(timeout=300)
        assert psutil.wait_procs(others, timeout=300)[1] == []


def test_a_server_that_ends_before_it_answers_is_told_with_the_end_of_its_output(tmp_path: Path, port: int) -> None:
    words = (sys.executable, "-c", "print('one'); print('the port is mine'); raise SystemExit(3)")
    with (
        UiServer(command_line=words, port=port, folder=tmp_path) as server,
        pytest.raises(MachineError, match=r"ended before it answered, with exit code 3\. .*the port is mine") as error,
    ):
        server.wait_until_it_answers(print)
    assert str(tmp_path / "ui.log") in str(error.value)


def test_a_slow_start_is_told_once_with_the_place_of_its_output(tmp_path: Path, port: int) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # It does not begin before a person was told: reading the pipe waits for somebody who writes.
    words = (sys.executable, "-c", f"import sys; open(sys.argv[2]).read()\n{SERVER}", str(port), str(pipe))
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        pipe.write_text("")

    with UiServer(command_line=words, port=port, folder=tmp_path) as server:
        server.wait_until_it_answers(tell, slow_s=0.0)
    assert len(told) == 1
    assert str(tmp_path / "ui.log") in told[0]
