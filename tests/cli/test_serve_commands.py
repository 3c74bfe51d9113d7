"""`forebay serve` and `forebay rollback` on the command line: what they refuse first, and which address they use."""

import pytest
from click.testing import CliRunner

from forebay.cli.commands.rollback import rollback_command
from forebay.cli.commands.serve import serve_command
from forebay.cli.main import group
from forebay.local.server import server_status
from forebay.serving.ports import bind
from forebay.serving.state import ServerInfo, ServingFiles, write_server
from forebay.state import FileLock, Home
from forebay.version import code_version


@pytest.mark.parametrize("name", ["nosuch", "nosuch/3", "nosuch@champion"])
def test_serving_a_model_that_nobody_registered_ends_with_2_before_a_server_starts(
    mlflow_home: Home, name: str
) -> None:
    result = CliRunner().invoke(serve_command, [name, "--port", "0"])
    assert result.exit_code == 2, result.output
    assert "There is no registered model 'nosuch'" in result.output
    assert server_status.running_server(mlflow_home) is None


def test_rolling_back_without_an_earlier_champion_ends_with_2(mlflow_home: Home) -> None:
    result = CliRunner().invoke(rollback_command, ["nosuch", "--port", "0"])
    assert result.exit_code == 2, result.output
    assert "no champion to go back to" in result.output


@pytest.mark.parametrize("name", ["run", "serve", "doctor"])
def test_the_last_port_is_taken_again_unless_another_is_given(
    mlflow_home: Home, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("FOREBAY_PORT", raising=False)
    files = ServingFiles.of(mlflow_home)
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        write_server(files, ServerInfo(pid=1, host="127.0.0.1", port=port, log="", code_version=""))
        files.server.unlink()  # an orderly stop
        result = CliRunner().invoke(group, [name])
    assert f"Port {port} on 127.0.0.1 is taken" in result.output
    with bind("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        assert f"Port {port} " in CliRunner().invoke(group, [name, "--port", str(port)]).output
        monkeypatch.setenv("FOREBAY_PORT", str(port))
        assert f"Port {port} " in CliRunner().invoke(group, [name]).output


@pytest.mark.parametrize(("running", "fix"), [("0.0.1+old", "forebay stop"), (code_version(), "")])
def test_a_server_of_other_code_is_named_with_its_fix(home: Home, running: str, fix: str) -> None:
    files = ServingFiles.of(home)
    files.folder.mkdir(parents=True, exist_ok=True)
    write_server(files, ServerInfo(pid=1, host="127.0.0.1", port=1, log="", code_version=running))
    with FileLock(files.lock).held("the server"):
        advice = server_status.code_mismatch_advice(home)
    assert fix in advice
    assert bool(advice) is bool(fix)


def test_a_port_that_a_running_server_ignores_is_said(mlflow_home: Home) -> None:
    files = ServingFiles.of(mlflow_home)
    with FileLock(files.lock).held("the server"):
        write_server(files, ServerInfo(pid=1, host="127.0.0.1", port=8091, log="", code_version=code_version()))
        result = CliRunner().invoke(serve_command, ["nosuch", "--port", "8092"])
    assert "port 8092 is ignored until `forebay stop`" in result.output
