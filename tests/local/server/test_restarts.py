"""A server that was killed comes back with its models at its address; whatever is killed, `stop` and `status` know."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.errors import ConfigError, DamagedFileError
from forebay.local.server import control, server_status
from forebay.local.server.launch import ServerOptions
from forebay.serving import log_file
from forebay.serving.state import ServerInfo, ServingFiles
from forebay.state import Home
from support.tiny_inference_server import write_desired_model

HOST = "127.0.0.1"
FULL = b"a line of before\n" * (log_file.FULL_BYTES // 16)
STARTER = """
import json, sys
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.serving.state import DesiredModel
from forebay.state import Home
home = Home.find().open()
control.ensure_server(home, ServerOptions("127.0.0.1", 0))
publish(home, lambda _: {"digits": DesiredModel(**json.loads(sys.argv[1]))}, 30)
"""


@pytest.fixture(scope="module")
def running_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A state folder whose server was started by a process that has ended, with a full log."""
    folder = tmp_path_factory.mktemp("restarts")
    home = Home(folder / "home").open()
    home.serving.mkdir()
    ServingFiles.of(home).log.write_bytes(FULL)
    model = json.dumps(vars(write_desired_model(folder / "bundle", "1", seed=1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREBAY_HOME", str(home.root))
        subprocess.run([sys.executable, "-c", STARTER, model], check=True, timeout=600)
        yield home
        control.stop_server(home)


def _running(home: Home) -> ServerInfo:
    info = server_status.running_server(home)
    assert info is not None
    return info


def _version(port: int) -> str:
    connection = http.client.HTTPConnection(HOST, port, timeout=300)
    try:
        connection.request("POST", "/v1/models/digits:predict", json.dumps({"instances": [[[1] * 8] * 8]}))
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return str(answer["predictions"][0]["model_version"])


def _status(*options: str) -> str:
    result = CliRunner().invoke(group, ["status", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_full_log_gives_way_to_a_new_one_and_both_are_shown(running_home: Home) -> None:
    files = ServingFiles.of(running_home)
    assert [path.name for path in log_file.log_files(files.log)] == ["server.log.1", "server.log"]
    written = b"".join(path.read_bytes() for path in log_file.log_files(files.log))
    assert written.startswith(FULL)
    assert b"listening on 127.0.0.1" in written
    assert CliRunner().invoke(group, ["logs", "server"]).stdout.encode() == written


def test_a_killed_server_answers_again_and_clients_that_come_meanwhile_wait(running_home: Home) -> None:
    first = _running(running_home)
    supervisor = psutil.Process(first.supervisor)
    assert os.getsid(first.pid) == supervisor.pid  # a session of their own: no terminal's hang-up reaches them
    assert supervisor.memory_info().rss < 15 << 20
    assert json.loads(_status("--json"))["restarts"] == {
        "count": 0, "last": "", "why": "", "next": "", "given_up": False,
    }  # fmt: skip
    os.kill(first.pid, signal.SIGKILL)
    psutil.Process(first.pid).wait(10)
    assert _version(first.port) == "1"  # nobody listens yet; the connection is made all the same
    second = _running(running_home)
    assert (second.port, second.supervisor) == (first.port, first.supervisor)
    assert second.pid != first.pid
    told = json.loads(_status("--json"))["restarts"]
    assert told["count"] == 1
    assert told["why"].startswith("killed by SIGKILL")
    assert f"started again once, the last time after {told['last']}: killed by SIGKILL" in _status()


def test_a_command_does_not_wait_for_the_supervisors_patience(running_home: Home) -> None:
    before = _running(running_home)
    os.kill(before.pid, signal.SIGKILL)  # the second short life in a row: it would wait for 2 s
    psutil.Process(before.pid).wait(10)
    assert control.ensure_server(running_home, ServerOptions(HOST, 0)).port == before.port
    assert _version(before.port) == "1"


def test_a_server_does_not_outlive_its_supervisor_and_the_next_command_starts_both(running_home: Home) -> None:
    before = _running(running_home)
    server, supervisor = psutil.Process(before.pid), psutil.Process(before.supervisor)
    supervisor.kill()
    supervisor.wait(10)
    server.wait(12)
    assert f"its supervisor (process {supervisor.pid}) was killed" in _status()
    after = control.ensure_server(running_home, ServerOptions(HOST, before.port))
    assert _version(after.port) == "1"
    assert after.supervisor not in (0, before.supervisor)


def test_stop_ends_both_within_10_s_although_the_server_hangs_and_files_are_damaged(running_home: Home) -> None:
    info = _running(running_home)
    files = ServingFiles.of(running_home)
    for path in (files.server, files.address, files.supervisor, files.desired, files.loaded):
        path.write_text("no JSON")
    damaged = CliRunner().invoke(group, ["status"])
    assert damaged.exit_code == 2
    assert f"{files.server} is damaged: " in damaged.output
    assert "`forebay stop`, then `forebay serve` start it anew" in damaged.output
    assert "server: running" in damaged.output
    with pytest.raises(DamagedFileError, match=r"server.json is damaged: .*`forebay stop`, then `forebay serve`"):
        control.ensure_server(running_home, ServerOptions(HOST, 0))
    files.desired.unlink()
    both = psutil.Process(info.pid), psutil.Process(info.supervisor)
    os.kill(info.pid, signal.SIGSTOP)
    start = time.monotonic()
    assert control.stop_server(running_home) is True
    assert time.monotonic() - start < 10.5
    for process in both:
        process.wait(10)  # their locks are free a moment before
    assert not files.server.exists()
    assert not files.supervisor.exists()
    assert "server: not running." in _status()
    assert Path(files.log).is_file()


@pytest.mark.parametrize(
    ("value", "rule"), [("-1", "must be between 1 and 3600, got -1"), ("soon", "must be a whole number, got 'soon'")]
)
def test_a_variable_against_its_rule_is_named_before_a_server_is_started(home: Home, value: str, rule: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREBAY_SERVE_BODY_S", value)
        with pytest.raises(ConfigError, match=f"^FOREBAY_SERVE_BODY_S: serve.body_s {rule}$"):
            control.ensure_server(home, ServerOptions("127.0.0.1", 0))
    assert not ServingFiles.of(home).log.exists()
