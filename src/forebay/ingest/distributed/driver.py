"""The program of the driver's pod: `driver.py s3://…`. Spark has started it; the address holds the step's task."""

import sys
import tempfile
from pathlib import Path

from forebay.errors import ForebayError
from forebay.ingest.decode_result import DecodeResult
from forebay.ingest.distributed.exchange import OUT, read_image_format, read_task, write_error, write_result
from forebay.ingest.index.parts import PartLimits
from forebay.ingest.read_source import read_source
from forebay.ingest.result import IngestResult
from forebay.ingest.spark.task_storage import S3Storage
from forebay.ingest.unlabelled.step import decode_images
from forebay.state import Home, StepLog


def drive(uri: str, limits: PartLimits = PartLimits()) -> bool:  # noqa: B008 - it is frozen
    """Do the task that lies in the store, and write the result beside it; False where the task failed."""
    storage = S3Storage(uri)
    log = StepLog(name="ingest", run_id="", home=Home.find())
    try:
        with tempfile.TemporaryDirectory(prefix="forebay-") as scratch:
            result = _work_off(storage, Path(scratch), log, limits)
    except ForebayError as error:
        print(error, file=sys.stderr)
        write_error(storage, error)
        return False
    write_result(storage, result)
    return True


def _work_off(storage: S3Storage, scratch: Path, log: StepLog, limits: PartLimits) -> IngestResult | DecodeResult:
    config, wanted, out = read_task(storage), read_image_format(storage), S3Storage(f"{storage.uri}/{OUT}")
    if wanted is not None:
        return decode_images(config, wanted, storage, out, scratch, log.progress)
    return read_source(config, storage, out, scratch, log.progress, limits)


def main() -> None:
    """Join the Spark session that was submitted, and end with 1 where the task failed."""
    from pyspark.sql import SparkSession

    [uri] = sys.argv[1:]
    session = SparkSession.builder.getOrCreate()
    done = drive(uri)
    session.stop()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
