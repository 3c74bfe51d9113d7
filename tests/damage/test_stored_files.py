"""Each file of a state folder, emptied, cut short and changed: every command names it, or does without it.

What holds for all: no command ends in a fault of its own or a traceback.
"""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from forebay import registry
from forebay.cli.main import group
from forebay.local.checks import libraries, machine_checks
from forebay.local.runs.cache import drop_broken_entries, record_digests
from forebay.serving.curl import curl_command
from forebay.serving.state import DesiredModel, ServerInfo, ServingFiles, write_desired, write_loaded, write_server
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.state import FileLock, Home, StepLog, is_sealed, seal, write_json
from forebay.state.events import read_events
from forebay.state.steplog import step
from forebay.train.checkpoints.checkpoint_store import CheckpointStore

RUN = "20260101-000000-000000"
SUMMARY = {
    "run_id": RUN, "state": "done", "seconds": 1.0, "data": {"rows": 5, "classes": 2, "quarantined": {"broken": 1}},
    "steps": [{"name": "ingest", "seconds": 1.0, "cached": False}], "warnings": [], "error": None,
    "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0, "rows": 5}, "gate": {"passed": True, "reason": "first"},
    "model": {"name": "digits", "version": "1"}, "url": "http://127.0.0.1:1/v1/models/digits:predict", "report": None,
}  # fmt: skip

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "flipped": lambda data: bytes(byte ^ 0x55 if index % 7 == 3 else byte for index, byte in enumerate(data)),
    "other": lambda data: b'["valid JSON", 7]',
}
FILES = (
    "format.json", "mlflow.db", "cache/entry.json", "cache-digests.json", "serving/desired.json",
    "serving/settings.json", "serving/loaded.json", "serving/server.json", "serving/address.json",
    "serving/supervisor.json", "serving/examples/digits.json", f"runs/{RUN}/run.json", f"runs/{RUN}/summary.json",
    f"runs/{RUN}/events.jsonl", f"runs/{RUN}/quarantine.parquet", f"runs/{RUN}/engine.log",
)  # fmt: skip
LIGHT = (("status",), ("status", "--json"), ("runs",), ("logs", "ingest"), ("quarantine",))  # of every file
ALSO = {  # by file: commands that need it as well
    "mlflow.db": (
        ("serve", "digits"), ("rollback", "digits"), ("evaluate", "digits", "--data", "digits"), ("prune", "--dry-run"),
        ("run", "--port", "0"), ("ui",),
    ),
    "serving/desired.json": (("prune", "--dry-run"),),
    "serving/address.json": (("serve", "digits"),),
}  # fmt: skip
NAMED = {  # by file: commands that name it, with what is lost, and end with 2; the others do without
    "format.json": {"status", "runs", "logs", "quarantine"},
    "mlflow.db": {"serve", "rollback", "evaluate", "prune", "run", "ui"},
    "serving/desired.json": {"status", "prune"},
    "serving/server.json": {"status"},
    "serving/address.json": {"serve"},
    f"runs/{RUN}/summary.json": {"status", "runs"},
    f"runs/{RUN}/quarantine.parquet": {"quarantine"},
    f"runs/{RUN}/run.json": {"quarantine"},
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Path:
    """A state folder with one run, a registry without models, and the files of a server. Read only."""
    home = Home(tmp_path_factory.mktemp("stored") / "home").open()
    shutil.copy(mlflow_template, home.mlflow_database)
    write_json(home.cache / "entry.json", {"rows": {"uri": str(home.root / "format.json")}})
    write_json(home.root / "cache-digests.json", {})
    files, folder = ServingFiles.of(home), home.runs / RUN
    write_desired(files, 1, {"digits": DesiredModel(bundle="/nowhere", version="1", weights_sha256="0" * 64)})
    write_loaded(files, 1, "instance", {})
    write_server(files, ServerInfo(pid=2**22 + 1, host="127.0.0.1", port=1, log=""))
    write_json(files.settings, {"hosts": "example.com"})
    write_json(files.supervisor, {"pid": 1})
    write_json(home.serving / "examples" / "digits.json", {"instances": [[1]]})
    write_json(folder / "run.json", {"parameters": {"ingest_data": "digits"}, "runner": "process"})
    write_json(folder / "summary.json", SUMMARY)
    log = StepLog(name="ingest", run_id=RUN, home=home, events=folder / "events.jsonl")
    log.emit("started")
    log.result(data=SUMMARY["data"])
    log.emit("finished", seconds=1.0)
    table = pa.table({key: [f"{key} of one"] for key in ("source", "label_name", "reason", "detail")})
    pq.write_table(table, folder / "quarantine.parquet")
    (folder / "engine.log").write_text("Executing task 'ingest'\nsomething\n")
    return home.root


@pytest.fixture
def home(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of it that may be damaged."""
    root = Path(shutil.copytree(stored, tmp_path / "home"))
    monkeypatch.setenv("FOREBAY_HOME", str(root))
    for name in ("MLFLOW_TRACKING_URI", "FOREBAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    return Home(root)


def _ran(command: tuple[str, ...]) -> Result:
    result = CliRunner().invoke(group, [*command])
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.output)
    return result


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_command_names_a_damaged_file_or_does_without_it(home: Home, file: str, damage: str) -> None:
    path = home.root / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for command in (*LIGHT, *ALSO.get(file, ())):
        with FileLock(ServingFiles.of(home).lock).held("the server"):  # as where one runs
            result = _ran(command)
        assert "fault of Forebay's own" not in result.output, (command, result.output)
        if command[0] in NAMED.get(file, ()):
            assert f"{path} is damaged: " in result.output, (command, result.output)
            assert "Lost: " in result.output, (command, result.output)
            assert result.exit_code == 2, (command, result.output)
        elif file.endswith("events.jsonl") and result.exit_code:
            assert f"{path} is damaged" in result.output, (command, result.output)
        elif file not in NAMED:
            assert result.exit_code == 0, (command, result.output)


@pytest.mark.parametrize("damage", DAMAGES)
def test_status_shows_the_rest_where_a_file_is_damaged(home: Home, damage: str) -> None:
    for file in ("serving/desired.json", f"runs/{RUN}/summary.json"):
        path = home.root / file
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with FileLock(ServingFiles.of(home).lock).held("the server"):
        people, program = _ran(("status",)), json.loads(_ran(("status", "--json")).stdout)
    assert "http://127.0.0.1:1" in people.stdout
    assert "5 rows, 2 classes" in people.stdout  # of the events
    assert program["server"]["url"] == "http://127.0.0.1:1"
    assert len(program["problems"]) == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_doctor_names_every_damaged_file_that_it_looks_at(home: Home, damage: str) -> None:
    files = ServingFiles.of(home)
    for path in (home.mlflow_database, files.server):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with FileLock(files.lock).held("the server"):
        found = [libraries.mlflow_store(home), machine_checks.server_port(home, "127.0.0.1", 0)]
    assert not any(check.ok for check in found)
    assert found[0].detail.startswith(f"{home.mlflow_database} is damaged: ")
    assert found[1].detail.startswith(f"{files.server} is damaged: ")
    (home.root / "format.json").write_bytes(b"")
    assert "format.json is damaged: it is empty. Lost: " in machine_checks.state_folder(home).detail


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_killed_run_with_damaged_events_is_shown_as_far_as_it_can_be(home: Home, damage: str) -> None:
    folder = home.runs / RUN
    (folder / "summary.json").unlink()
    events = folder / "events.jsonl"
    events.write_bytes(DAMAGES[damage](events.read_bytes()) + b"\n")
    assert f"{RUN}  killed" in _ran(("status",)).output
    assert _ran(("logs", "ingest", "--run", RUN)).exit_code == 0


def test_an_event_that_lacks_what_its_kind_has_is_none_and_is_counted(home: Home) -> None:
    events = home.runs / RUN / "events.jsonl"
    with events.open("a") as file:
        file.write(
            '{"time": "t", "step": "ingest", "kind": "finishef"}\n{"time": "t", "step": "ingest", "kind": "failed"}\n'
        )
        file.write('{"timd": "t", "step": "ingest", "kind": "started"}\n')
    result = _ran(("logs", "ingest"))
    assert f"{events} is damaged in 2 lines. Lost: what the steps said there" in result.output


def test_a_database_damaged_within_is_named_by_what_meets_it_and_no_step_tries_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = home.mlflow_database
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("select rootpage from sqlite_master where tbl_name in ('model_versions')")
        pages = [row[0] for row in tables if row[0]]
        size = connection.execute("pragma page_size").fetchone()[0]
    with database.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)
    result = _ran(("evaluate", "digits", "--data", "digits"))
    assert f"{database} is damaged: database disk image is malformed. Lost: " in result.output
    assert f"mv {database} {database}.damaged && forebay run --fresh" in result.output
    monkeypatch.setenv(EVENTS_VARIABLE, str(home.new_run().events))
    for _ in range(2):
        with pytest.raises(BaseException, match=r"malformed|mlflow.db is damaged"), step("register"):
            registry.list_versions(home, "digits")
    failed = [event for event in read_events(Path(os.environ[EVENTS_VARIABLE]))[0] if event["kind"] == "failed"]
    assert len(failed) == 1  # the second try ended before it began
    assert failed[0]["permanent"] is True
    assert f"{database} is damaged" in failed[0]["error"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_id_of_a_training_is_made_anew_with_a_warning(tmp_path: Path, damage: str) -> None:
    said: list[str] = []
    checkpoints = CheckpointStore(tmp_path)
    first = checkpoints.training_id(said.append)
    path = tmp_path / "training.json"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    second = checkpoints.training_id(said.append)
    assert second != first
    assert checkpoints.training_id(said.append) == second
    assert len(said) == 1
    assert said[0].startswith(f"{path} is damaged")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_entry_is_dropped_by_name(home: Home, damage: str) -> None:
    entry = home.cache / "entry.json"
    record_digests(home.cache)
    assert drop_broken_entries(home.cache) == []
    entry.write_bytes(DAMAGES[damage](entry.read_bytes()))
    (problem,) = drop_broken_entries(home.cache)
    assert problem.startswith(f"{entry} is damaged: it is not as it was written. Lost: ")
    assert not entry.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_command_for_curl_does_without_a_damaged_example(home: Home, damage: str) -> None:
    path = home.serving / "examples" / "digits.json"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert "curl http" in curl_command(home, str(SUMMARY["url"]))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_sealed_folder_is_not_whole_when_a_small_file_was_changed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"classes": ["one", "two"]}))
    seal(tmp_path)
    assert is_sealed(tmp_path)
    path.write_bytes(DAMAGES[damage](path.read_bytes())[: path.stat().st_size])
    assert not is_sealed(tmp_path)
