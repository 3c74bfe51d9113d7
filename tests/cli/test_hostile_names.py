"""Names that would forge lines of a log or rewrite a terminal: refused where they are given, written out elsewhere."""

import io
import json
import logging
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from rich.console import Console

from forebay.api.render import RunView, print_summary
from forebay.backend.summary import summarize
from forebay.cli.main import group
from forebay.errors import ConfigError, DataError
from forebay.ingest.detect import detect_source
from forebay.ingest.index.image_index import check_class_names
from forebay.log_lines import LineFormatter
from forebay.serving.repository.bundle_folder import find_bundles
from forebay.settings import IngestConfig, parse_assignments
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from forebay.state.steplog import step
from forebay.text import escape_controls, find_control, one_line
from support.image_folders import in_folder
from support.tiny_inference_server import write_bundle

HOSTILE = "cat\r\n2026-01-01 INFO root: forged\x1b[2K\x1b[31mred\x07"
FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")  # all but \n


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain, ünïcode 猫 👩‍🔬", "plain, ünïcode 猫 👩‍🔬"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\x1b[31m\x00\x7f\x9b", r"\x1b[31m\x00\x7f\x9b"),
        ("\u2028\u202e\u2066\udce4", r"\u2028\u202e\u2066\udce4"),
    ],
)
def test_control_characters_are_written_out_and_nothing_else_is(text: str, line: str) -> None:
    assert one_line(text) == line
    assert one_line(line) == line
    assert bool(find_control(text)) is (text != line)


def test_text_of_several_lines_keeps_them() -> None:
    assert escape_controls("one\n\ttwo\x1b[0m\r\n") == "one\n\ttwo\\x1b[0m\\r\n"


def test_a_record_of_the_log_is_one_line_and_its_traceback_is_indented() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("hostile")
    logger.addHandler(handler)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("the model %s", HOSTILE, stack_info=True)
    first, *rest = written.getvalue().splitlines()
    assert first.startswith(r"ERROR hostile: the model cat\r\n2026")
    assert len(rest) > 4
    assert all(line.startswith("    ") for line in rest)
    assert not FORBIDDEN.search(written.getvalue())


@pytest.mark.parametrize("key", ["ingest.data", "ingest.labels", "evaluate.name", "train.model", "deploy.namespace"])
def test_a_setting_of_several_lines_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} must be text of one line, got 'cat\\r\\n.*, which holds \\r$"):
        parse_assignments([f"{key}={HOSTILE}"])


@pytest.mark.parametrize("option", ["--run-name", "--experiment"])
def test_a_run_is_not_submitted_under_a_name_of_several_lines(option: str) -> None:
    result = CliRunner().invoke(group, ["submit", option, HOSTILE])
    assert result.exit_code == 2
    assert "give text of one line" in result.output
    assert not FORBIDDEN.search(result.output)


def test_a_class_of_a_hostile_name_is_refused(tmp_path: Path) -> None:
    in_folder(tmp_path / "data", (f"{name}/{number}.png" for name in (HOSTILE, "dog") for number in range(2)))
    index = detect_source(IngestConfig(data=str(tmp_path / "data")), tmp_path).index()
    with pytest.raises(DataError, match=r"the class name 'cat\\r\\n.*' holds \\r, .*Rename the folder"):
        check_class_names(index, "data")


def test_a_bundle_in_a_folder_of_a_hostile_name_is_not_served(tmp_path: Path) -> None:
    write_bundle(tmp_path / HOSTILE)
    write_bundle(tmp_path / "good")
    with pytest.raises(ConfigError, match=r"A model cannot be called 'cat\\r\\n"):
        find_bundles(tmp_path, None, None)
    result = CliRunner().invoke(group, ["serve", str(tmp_path / HOSTILE)], env={"FOREBAY_HOME": str(tmp_path / "home")})
    assert result.exit_code == 2
    assert "in its last part, by which the model would be called" in result.output
    assert not FORBIDDEN.search(result.output)


def test_what_a_step_says_of_hostile_names_is_one_line_in_events_and_on_a_terminal(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home.new_run()
    StepLog(name="ingest", run_id=run.run_id, home=home, events=run.events).warn(f"the class {HOSTILE}")
    monkeypatch.setenv(EVENTS_VARIABLE, str(run.events))
    with pytest.raises(ValueError, match="cat"), step("train"):
        raise ValueError(HOSTILE)
    events = read_events(run.events)[0]
    assert [event["kind"] for event in events] == ["warning", "started", "failed"]
    assert not any(FORBIDDEN.search(str(value)) or "\n" in str(value) for event in events for value in event.values())
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=False, width=500)
    view = RunView(console)
    for event in (*events, {"kind": "warning", "step": "x", "text": HOSTILE}):
        view.show(event)
    summary = summarize(run.run_id, events)
    summary["model"] = {"name": HOSTILE, "version": HOSTILE}
    print_summary(console, summary)
    assert shown.getvalue().count("forged") == 6
    assert not FORBIDDEN.search(shown.getvalue())
    assert all(not line.startswith("2026-01-01 INFO") for line in shown.getvalue().splitlines())


def test_quarantined_images_of_hostile_names_are_listed_one_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "quarantine"
    folder.mkdir()
    row = {"source": HOSTILE, "label_name": HOSTILE, "reason": "broken", "detail": HOSTILE}
    pq.write_table(pa.table({key: [value] for key, value in row.items()}), folder / "part.parquet")
    environment = {"FOREBAY_HOME": str(tmp_path / "home")}
    people = CliRunner().invoke(group, ["quarantine", str(tmp_path)], env=environment)
    assert len(people.stdout.splitlines()) == 1
    assert people.stdout.count("\t") == 3
    assert not FORBIDDEN.search(people.stdout.replace("\t", ""))
    program = CliRunner().invoke(group, ["quarantine", str(tmp_path), "--json"], env=environment)
    assert json.loads(program.stdout)["quarantined"] == [row]  # JSON says it exactly


def test_an_error_that_quotes_a_hostile_name_rewrites_no_terminal(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        group, ["rollback", HOSTILE, "--port", "0"], env={"FOREBAY_HOME": str(tmp_path / "home")}
    )
    assert result.exit_code == 2
    assert not FORBIDDEN.search(result.output)
