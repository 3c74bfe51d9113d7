"""What is told when Spark fails."""

import pytest

from forebay.errors import DataError
from forebay.ingest.spark.failures import explain_spark_errors


def test_a_failed_read_is_told_with_its_cause() -> None:
    with (
        pytest.raises(DataError, match=r"^photos: reading it failed: no space left. The step's log"),
        explain_spark_errors("photos"),
    ):
        raise OSError("no space left")


def test_ctrl_c_stays_ctrl_c_where_the_cancelled_work_fails_after_it() -> None:
    def cancelled() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("the task was cancelled")

    with pytest.raises(KeyboardInterrupt), explain_spark_errors("photos"):
        cancelled()
