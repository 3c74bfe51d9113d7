"""What a person is told when Spark fails."""

import contextlib
import re
from collections.abc import Iterator

from forebay.errors import DataError


@contextlib.contextmanager
def explain_spark_errors(source: str) -> Iterator[None]:
    """Turn a failure of Spark, or of reading and writing, into one sentence; the step's output has the trace.

    Raises:
        DataError: says what the failed task said.
        KeyboardInterrupt: Ctrl-C, whose handler in Spark cancels the tasks; what fails because of that is no news.
    """
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        if (interrupt := _interrupt_behind(error)) is not None:
            raise interrupt from None
        java_ended = isinstance(error, ConnectionError | Py4JError) and not isinstance(error, Py4JJavaError)
        if java_ended:
            problem = "Spark's Java process ended in the middle"
            fix = "The system may have run out of memory (see the step's log); free some and run it again."
        else:
            problem = f"reading it failed: {root_cause(str(error))}"
            fix = "The step's log has the whole trace; mend the cause and run it again."
        raise DataError(source=source, problem=problem, fix=fix) from error


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C during whose handling the error was raised."""
    cause = error.__context__
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__context__
    return cause


def root_cause(text: str) -> str:
    """The line of a trace that says what went wrong inside a Python worker, else the first line of all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[A-Za-z_.]+(Error|Exception|Interrupt)\b.*", line)]
    causes = [line for line in errors if not line.startswith(("org.apache.", "java.", "pyspark."))]
    return (causes or lines or ["no message"])[0].rstrip(".")
