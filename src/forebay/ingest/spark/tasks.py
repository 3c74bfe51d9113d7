"""Runs a function on every part of the data, in Spark's workers."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

POLL_S = 0.3  # between two looks at how many parts are finished
TASKS_PER_CORE = 2  # enough for even loads; each costs some 30 ms
TASKS_PER_CORE_WITH_PROGRESS = 4  # more, because Spark reports only whole tasks


def run_parts(
    session: "SparkSession",
    parts: int,
    work: "Callable[[int], pa.RecordBatch]",
    schema: str,
    progress: Callable[[int], None] | None = None,
) -> "pa.Table":
    """Do the work of every part in Spark's workers and collect what each returns, as one Arrow table.

    Args:
        session: the Spark session.
        parts: `work` is called with 0 to parts - 1, whatever the number of tasks.
        work: runs in a Spark worker.
        schema: the columns that it returns, in Spark's DDL.
        progress: called now and then with the number of finished parts; without it there are fewer, larger tasks.
    """
    finished = session.sparkContext.accumulator(0)

    def counted_work(part: int) -> "pa.RecordBatch":
        result = work(part)
        finished.add(1)
        return result

    per_core = TASKS_PER_CORE_WITH_PROGRESS if progress else TASKS_PER_CORE
    with _reporting(lambda: finished.value, progress) if progress else contextlib.nullcontext():
        return map_parts(session, parts, counted_work, schema, per_core).toArrow()


def map_parts(
    session: "SparkSession", parts: int, work: "Callable[[int], pa.RecordBatch]", schema: str, tasks_per_core: int
) -> "DataFrame":
    """As `run_parts`, but lazily: a data frame that Spark can go on with."""

    def apply(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        gc.freeze()  # Spark collects garbage after every task; walking all that the imports made takes 40 ms each time
        for batch in batches:
            for part in batch.column(0).to_pylist():
                yield work(part)

    tasks = min(parts, tasks_per_core * session.sparkContext.defaultParallelism)
    return session.range(0, parts, 1, tasks).mapInArrow(apply, schema)


@contextlib.contextmanager
def _reporting(read: Callable[[], int], report: Callable[[int], None]) -> Iterator[None]:
    """Report every change of a number while the block runs, and its last value at the end."""
    ended = threading.Event()

    def poll() -> None:
        reported = None
        while not ended.wait(POLL_S):
            if (value := read()) != reported:
                report(reported := value)

    thread = threading.Thread(target=poll, daemon=True, name="ingest-progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    report(read())
