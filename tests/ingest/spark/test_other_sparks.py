"""A shell that was set up for another Spark, Hadoop or Java, in a folder with modules of somebody's own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forebay.local.checks.java import java_starts, spark_environment, spark_java

HOSTILE = {
    "PYSPARK_SUBMIT_ARGS": "--master yarn --deploy-mode client pyspark-shell",
    "PYSPARK_PYTHON": "/nowhere/python",
    "PYSPARK_DRIVER_PYTHON": "jupyter",
    "PYSPARK_DRIVER_PYTHON_OPTS": "notebook",
    "PYSPARK_GATEWAY_PORT": "1",
    "PYSPARK_GATEWAY_SECRET": "secret",
    "PYSPARK_PIN_THREAD": "false",
    "SPARK_HOME": "/opt/spark",
    "SPARK_CONF_DIR": "hostile-conf",
    "SPARK_MASTER": "yarn",
    "SPARK_REMOTE": "sc://nowhere:15002",
    "SPARK_CONNECT_MODE": "1",
    "SPARK_CONNECT_MODE_ENABLED": "1",
    "SPARK_API_MODE": "connect",
    "SPARK_LOCAL_DIRS": "/nowhere/spark",
    "SPARK_CLASSPATH": "/nowhere.jar",
    "SPARK_DIST_CLASSPATH": "/nowhere.jar",
    "SPARK_SUBMIT_OPTS": "-Xmx1k",
    "SPARK_DRIVER_MEMORY": "1k",
    "SPARK_DAEMON_MEMORY": "1k",
    "SPARK_ENV_LOADED": "1",
    "SPARK_TESTING": "1",
    "SPARK_PREFER_IPV6": "true",
    "SPARK_BUFFER_SIZE": "many",
    "HADOOP_CONF_DIR": "hostile-conf",
    "YARN_CONF_DIR": "hostile-conf",
    "JAVA_TOOL_OPTIONS": "-Xmx1k",
    "_JAVA_OPTIONS": "-Xmx1k",
    "JDK_JAVA_OPTIONS": "-Xmx1k",
    "CLASSPATH": "/nowhere.jar",
    "BASH_ENV": "hostile-conf/spark-env.sh",
}
OWN_MODULES = ("pyspark", "numpy", "pyarrow", "random", "types", "mlflow", "kfp", "signal")

SESSION = """
import json, os, sys
from pathlib import Path
import pyarrow as pa
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.tasks import run_parts

def look(part):
    import os, sys
    seen = sorted(name for name in os.environ if name.startswith(("HADOOP_", "YARN_", "JAVA_TOOL", "_JAVA", "PYSPARK_SUBMIT")))
    return pa.record_batch({"path": [json.dumps(sys.path)], "seen": [json.dumps(seen)]})

before = dict(os.environ)
with spark_session(Path(sys.argv[1])) as session:
    row, = run_parts(session, 1, look, "path string, seen string").to_pylist()
    master = session.sparkContext.master
kept = {name: os.environ.get(name) == value for name, value in before.items()}
print(json.dumps({"path": json.loads(row["path"]), "seen": json.loads(row["seen"]), "master": master, "kept": kept}))
"""  # noqa: E501


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with modules that end whoever imports them, and with settings that end Spark."""
    folder = tmp_path_factory.mktemp("project")
    for name in OWN_MODULES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('the {name}.py of somebody')\n")
    (folder / "hostile-conf").mkdir()
    (folder / "hostile-conf" / "spark-env.sh").write_text("exit 3\n")
    (folder / "hostile-conf" / "spark-defaults.conf").write_text("spark.master yarn\n")
    (folder / "hostile-conf" / "core-site.xml").write_text("<configuration><property></configuration>")
    return folder


@pytest.fixture(scope="module")
def found(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a session sees that was begun there, with all of these variables set at once."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SESSION, str(tmp_path_factory.mktemp("work"))],
        cwd=project, env={**os.environ, **HOSTILE}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_our_local_spark_takes_nothing_that_is_set_for_another_one(found: dict[str, Any]) -> None:
    assert found["master"] == "local[*]"
    assert found["seen"] == []


def test_its_workers_import_nothing_from_the_working_folder(found: dict[str, Any], project: Path) -> None:
    assert not {"", ".", str(project)} & set(found["path"])


def test_afterwards_the_environment_is_as_it_was(found: dict[str, Any]) -> None:
    assert [name for name in HOSTILE if not found["kept"][name]] == []


def test_doctor_names_what_it_leaves_out_and_java_starts_in_spite_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    check = spark_environment()
    assert check.ok
    assert all(name in check.detail for name in HOSTILE)
    java = java_starts(spark_java())
    assert java.ok, java.detail
