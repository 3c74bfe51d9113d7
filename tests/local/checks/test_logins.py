"""A login that does not work is told before the first step, with the variables that mend it, and in one paragraph."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.errors import ConfigError, MachineError
from forebay.local.checks.mlflow_login import check_mlflow_login
from forebay.local.checks.s3_access import check_data_source, check_s3_access
from forebay.state import Home, step
from forebay.state.events import read_events
from forebay.state.mlflow_errors import explain_mlflow_error, refused_status
from support.machine_speed import slowness
from support.s3_server import S3Store

Answer = tuple[int, str, str]  # status, content type, body
PAGE = (200, "text/html", "<html><title>Sign in</title></html>")
FOUND = (200, "application/json", json.dumps({"experiments": []}))
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
BASIC = "Basic bWU6c2VjcmV0"  # me:secret


class Server(ThreadingHTTPServer):
    """Answers what it is told to; remembers what it was asked."""

    answer: Callable[[str], Answer] = staticmethod(lambda authorization: FOUND)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(self.path)
        status, kind, body = self.server.answer(self.headers.get("Authorization", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A tracking server that the environment names, without a login."""
    for name in LOGIN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", made.url)
        yield made
        made.shutdown()
        thread.join()


def refusal(home: Home) -> str:
    with pytest.raises(MachineError) as raised:
        check_mlflow_login(home)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are not set"),
        ({"MLFLOW_TRACKING_USERNAME": "me"}, "MLFLOW_TRACKING_PASSWORD is not set"),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "old"}, "MLFLOW_TRACKING_PASSWORD is wrong"),
        ({"MLFLOW_TRACKING_TOKEN": "old"}, "MLFLOW_TRACKING_TOKEN is set, and wrong or expired"),
        (
            {"MLFLOW_TRACKING_TOKEN": "old", "MLFLOW_TRACKING_USERNAME": "me"},
            "MLFLOW_TRACKING_TOKEN is set, and wrong or expired",
        ),
        (
            {"MLFLOW_TRACKING_TOKEN": "good", "MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "old"},
            "MLFLOW_TRACKING_PASSWORD is wrong (MLFLOW_TRACKING_TOKEN is set too, and not used beside them)",
        ),
    ],
)
def test_a_refused_login_names_what_is_missing_or_wrong(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch, status: int, given: dict[str, str], words: str
) -> None:
    server.answer = lambda authorization: (status, "text/html", "You are not authenticated.\n" * 9)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = refusal(home)
    assert f"MLflow at {server.url} refuses the login ({status}). " in said
    assert words in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PAGE, "answers with a page, not as MLflow's API does"),
        ((404, "text/plain", "no"), "answers with status 404"),
        ((503, "text/plain", "no"), "answers with status 503"),
    ],
)
def test_another_server_is_told_from_mlflow(server: Server, home: Home, answer: Answer, words: str) -> None:
    server.answer = lambda authorization: answer
    assert words in refusal(home)


def test_a_server_that_is_away_is_named_within_seconds(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter2@127.0.0.1:{port}")
    began = time.monotonic()
    said = refusal(home)
    assert time.monotonic() - began < 5 * slowness()
    assert f"MLflow does not answer at http://***@127.0.0.1:{port} (Connection refused)" in said
    assert "hunter2" not in said
    check_mlflow_login(home, needed=False)


def test_an_address_without_a_scheme_is_written_out(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "localhost:5000")
    with pytest.raises(ConfigError, match=r"has no scheme\. Write http://localhost:5000"):
        check_mlflow_login(home)


@pytest.mark.parametrize("in_the_address", [True, False])
def test_a_good_login_costs_one_request(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch, in_the_address: bool
) -> None:
    server.answer = lambda authorization: FOUND if authorization == BASIC else (401, "text/plain", "no")
    if in_the_address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url.replace("://", "://me:secret@"))
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    check_mlflow_login(home)
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_nothing_is_asked_where_mlflow_is_the_state_folders_own(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    check_mlflow_login(home)
    assert server.asked == []
    assert not home.mlflow_database.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--port", "0"),
        ("serve", "--port", "0"),
        ("rollback", "digits", "--port", "0"),
        ("evaluate", "digits", "--data", "digits"),
        ("train", ".", "--out", "new"),
    ],
)
def test_every_command_that_needs_the_login_ends_with_2_before_a_step(
    server: Server, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[0] == "train":
        monkeypatch.setattr(
            "forebay.local.evaluation.held_out.read_ingest_output", lambda folder: None
        )  # it is not about data
    server.answer = lambda authorization: (401, "text/plain", "no")
    answer = CliRunner().invoke(group, list(words))
    assert answer.exit_code == 2, answer.output
    assert "MLFLOW_TRACKING_USERNAME" in answer.stderr
    assert "started" not in answer.stderr
    assert not list(home.runs.glob("*"))


def test_mlflows_own_errors_become_one_sentence_and_a_refusal_is_final(
    server: Server, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv("FOREBAY_EVENTS", str(events))
    from mlflow.exceptions import MlflowException

    server.answer = lambda authorization: (401, "text/html", "<html>\n<body>a page</body></html>")
    from forebay import registry

    with pytest.raises(MlflowException) as raised, step("evaluate"):
        registry.list_names(home)
    assert refused_status(raised.value) == 401
    said = explain_mlflow_error(raised.value)
    assert "refuses the login (401). MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are not set" in said
    failed = read_events(events)[0][-1]
    assert failed["error"] == said
    assert failed["permanent"] is True, "it is not tried three times"
    assert "<html>" not in said
    assert "\n" not in said


BUCKET = "logins"


@pytest.fixture
def keys(s3_server: S3Store, no_aws: None, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    if BUCKET not in {found["Name"] for found in s3_server.client.list_buckets()["Buckets"]}:
        s3_server.client.create_bucket(Bucket=BUCKET)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


def test_a_bucket_that_is_there_passes_and_one_that_is_not_is_said_to_be_missing(keys: S3Store) -> None:
    check_s3_access(f"s3://{BUCKET}/anything", "FOREBAY_CHECKPOINT_STORE")
    with pytest.raises(MachineError, match="STORE=s3://elsewhere cannot be listed: there is no such bucket"):
        check_s3_access("s3://elsewhere", "FOREBAY_CHECKPOINT_STORE")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            r"S3 refuses the credentials \(\w+\). Correct AWS_ACCESS_KEY_ID",
        ),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials. Set AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "S3 does not answer: .* or correct AWS_ENDPOINT_URL"),
    ],
)
def test_keys_that_do_not_work_are_named(
    keys: S3Store, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match=words) as raised:
        check_data_source(f"s3a://{BUCKET}/images")
    assert str(raised.value).startswith(f"ingest.data=s3a://{BUCKET}/images cannot be listed: ")


def _keeping(**places: str) -> Answer:
    rows = [{"name": name, "experiment_id": "0", "artifact_location": place} for name, place in places.items()]
    return 200, "application/json", json.dumps({"experiments": rows})


@pytest.mark.parametrize(
    ("places", "changes", "words"),
    [
        ({"Default": f"s3://{BUCKET}/0"}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "Correct AWS_ACCESS_KEY_ID"),
        ({"Default": f"s3://{BUCKET}/0"}, {"AWS_SECRET_ACCESS_KEY": ""}, "Set AWS_SECRET_ACCESS_KEY"),
        (
            {"Default": f"s3://{BUCKET}/0"},
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            {"Default": f"s3://{BUCKET}/0"},
            {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"},
            "S3 does not answer: .* or correct MLFLOW_S3_ENDPOINT_URL",
        ),
        ({"Default": "s3://elsewhere/0"}, {}, "there is no such bucket"),
        ({"Default": f"s3://{BUCKET}/0", "forebay": "s3://elsewhere/7"}, {}, "s3://elsewhere/7, which"),
    ],
)
def test_artifacts_that_a_run_would_have_to_write_to_s3_itself_are_looked_at(
    server: Server, keys: S3Store, home: Home, monkeypatch: pytest.MonkeyPatch, places: dict[str, str],
    changes: dict[str, str], words: str,
) -> None:  # fmt: skip
    server.answer = lambda authorization: _keeping(**places)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match=f"^MLflow keeps its artifacts in .*{words}"):
        check_mlflow_login(home)
    check_mlflow_login(home, needed=False)


@pytest.mark.parametrize(
    "places", [{"Default": f"s3://{BUCKET}/0"}, {"Default": "mlflow-artifacts:/0"}, {"forebay": "/srv/mlruns/1"}]
)
def test_artifacts_that_are_within_reach_or_the_servers_own_pass(
    server: Server, keys: S3Store, home: Home, places: dict[str, str]
) -> None:
    server.answer = lambda authorization: _keeping(**places)
    check_mlflow_login(home)


def test_a_run_looks_at_the_store_of_checkpoints_too(
    keys: S3Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_CHECKPOINT_STORE", "s3://elsewhere/checkpoints")
    answer = CliRunner().invoke(group, ["run", "--port", "0"])
    assert answer.exit_code == 2
    assert "FOREBAY_CHECKPOINT_STORE=s3://elsewhere/checkpoints cannot be listed: there is no such" in answer.stderr
    assert not list(home.runs.glob("*"))
