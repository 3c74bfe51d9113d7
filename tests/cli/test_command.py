"""Whatever goes wrong, a person reads one paragraph; a traceback only with --debug."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from forebay.cli.command import command
from forebay.cli.main import group
from forebay.state import Home


@command("broken")
@click.option("--json", "as_json", is_flag=True)
def broken(as_json: bool) -> None:
    raise KeyError("lost")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    path.write_bytes(b"any bytes")
    return path


@pytest.fixture
def other_server() -> Iterator[str]:
    """A server that answers everything with 200 and JSON that is no prediction."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "fine"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def paragraph(*words: object, expect: int) -> str:
    """What the command writes on standard error."""
    answer = CliRunner().invoke(group, [str(word) for word in words])
    assert answer.exit_code == expect, answer.output
    assert answer.stderr.startswith("Error: ")
    assert len(answer.stderr.splitlines()) == 1
    return answer.stderr


def test_a_fault_of_our_own_is_one_paragraph_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOREBAY_DEBUG", raising=False)
    answer = CliRunner().invoke(broken, [])
    assert answer.exit_code == 1
    assert len(answer.stderr.splitlines()) == 1
    assert "KeyError: 'lost'" in answer.stderr
    assert "--debug" in answer.stderr


def test_a_fault_of_our_own_is_one_object_for_programs() -> None:
    answer = CliRunner().invoke(broken, ["--json"])
    assert "KeyError" in json.loads(answer.stdout)["error"]["error"]


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREBAY_DEBUG", "1")
    assert "Traceback" in CliRunner().invoke(broken, []).stderr


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("url", ["http://host:99999", "http://[::1", "http://a..b:80", "http://127.0.0.1:1/é"])
def test_a_url_that_is_none_is_wrong_use(image: Path, url: str) -> None:
    assert "is not the address of a server" in paragraph("predict", image, "--url", url, "--name", "x", expect=2)


@pytest.mark.usefixtures("home")
def test_another_server_that_answers_is_told_from_ours(image: Path, other_server: str) -> None:
    words = paragraph("predict", image, "--url", other_server, "--name", "x", expect=1)
    assert other_server in words
    assert "did not answer with a prediction" in words


@pytest.mark.usefixtures("home")
def test_compile_names_a_place_it_cannot_write(image: Path) -> None:
    assert str(image) in paragraph("compile", "--out", image / "training.yaml", expect=2)


@pytest.mark.usefixtures("home")
def test_ingest_names_a_place_it_cannot_write_before_it_begins(image: Path) -> None:
    words = paragraph("ingest", "--data", "digits", "--out", image / "rows", expect=2)
    assert "--out" in words
    assert f"{image} is not a folder" in words


def test_a_state_folder_that_cannot_be_looked_at_is_a_failed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_HOME", str(tmp_path / ("x" * 300)))  # no file system has such a name
    answer = CliRunner().invoke(group, ["doctor", "--port", "0"])
    assert answer.exit_code == 1
    assert "FAIL  state" in answer.stdout
    assert Home.find().root.name == "x" * 300
