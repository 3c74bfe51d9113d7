"""A local Spark session: quiet, on loopback only, and without a trace once it has ended."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.errors import MachineError
from forebay.ingest.spark.failures import root_cause
from forebay.ingest.spark.java import JVM_OPTIONS, java_advice, java_home, wrap_java
from forebay.ingest.spark.passwd_entry import ensure_username
from forebay.search_path import SAFE_PATH
from forebay.signals import keep_ctrl_c
from forebay.state.process_environment import environment_variables, without_other_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.adaptive.enabled": "false",
    # Interpreted plans: the heavy part runs in Python on Arrow batches, and compiling Java costs seconds at first use.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "4",
}
LOOPBACK_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@contextlib.contextmanager
def spark_session(work: Path) -> "Iterator[SparkSession]":
    """Start a session on all cores of this machine and end it on exit; a session that is there already is used.

    Variables that are meant for another Spark, for Hadoop or for every Java do not reach a session that starts here.

    Args:
        work: existing folder for Spark's temporary files.

    Raises:
        MachineError: Java cannot be started.
    """
    active = _active_session()
    if active is not None:
        yield active
        return
    with without_other_spark(), keep_ctrl_c():
        session = _start(work.absolute())
        try:
            yield session
        finally:
            _stop(session)


def _active_session() -> "SparkSession | None":
    """The session of this process. Nothing is imported to look for it: some variables break the import of pyspark."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() if SparkContext._active_spark_context else None


def _start(work: Path) -> "SparkSession":
    ensure_username()
    import pyspark
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("forebay-ingest").master("local[*]")
    for key, value in {**SPARK_SETTINGS, **LOOPBACK_SETTINGS, **_folder_settings(work)}.items():
        builder = builder.config(key, value)
    variables = {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),  # never that of another Spark
        "JAVA_HOME": str(wrap_java(java_home(), work)),
        "SPARK_LAUNCHER_OPTS": JVM_OPTIONS,
        "SPARK_LOCAL_IP": "127.0.0.1",  # else the JVM asks the network for its own name
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
        SAFE_PATH: "1",  # Java starts the workers in the current folder as `python -m`
    }
    try:
        with environment_variables(variables):
            return builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise MachineError(
            f"Spark did not start with the Java in {java_home()}: {root_cause(str(error))}. {java_advice()}"
        ) from error


def _folder_settings(work: Path) -> dict[str, str]:
    return {
        "spark.local.dir": str(work / "spark"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.driver.extraJavaOptions": f'{JVM_OPTIONS} "-Djava.io.tmpdir={work}"',  # Spark splits it as a shell does
    }


def _stop(session: "SparkSession") -> None:
    """End the session and its Java process, which would otherwise hold the step's output open."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    with contextlib.suppress(Exception):  # a Java that was killed cannot answer, and the cause was reported before
        session.stop()
        gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None
