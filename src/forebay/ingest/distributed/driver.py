"""The program of the driver's pod: `driver.py s3://…`, where the step left its task; Spark is there already."""

import sys
import tempfile
from pathlib import Path

from forebay.errors import ForebayError
from forebay.ingest.distributed.exchange import OUT, read_task, write_error, write_reading
from forebay.ingest.spark.task_storage import S3Storage
from forebay.ingest.step import read_source
from forebay.state import Home, StepLog


def drive(uri: str) -> bool:
    """Do the task of a place, and leave there what came of it; whether that is rows."""
    place = S3Storage(uri)
    log = StepLog(name="ingest", run_id="", home=Home.find())
    try:
        config = read_task(place)
        with tempfile.TemporaryDirectory(prefix="forebay-") as scratch:
            reading = read_source(config, place, S3Storage(f"{uri}/{OUT}"), Path(scratch), log.progress)
    except ForebayError as error:
        print(error, file=sys.stderr)
        write_error(place, error)
        return False
    write_reading(place, reading)
    return True


def main() -> None:
    """Take up the session that was submitted, and end with 1 where nothing came of it."""
    from pyspark.sql import SparkSession

    [uri] = sys.argv[1:]
    session = SparkSession.builder.getOrCreate()
    done = drive(uri)
    session.stop()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
