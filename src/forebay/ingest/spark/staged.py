"""Staged parts: decoded images in their final shape, which the first pass writes for the last one."""

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.spark.task_storage import TaskStorage

STAGED = "staged"  # folder in the storage of the tasks
STAGED_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("label_name", pa.string()),
        pa.field("label_number", pa.int32()),
        pa.field("split", pa.string()),
        pa.field("reason", pa.string()),  # null where the image is usable so far
        pa.field("detail", pa.string()),
        pa.field("pixels", pa.binary()),  # null where it is not
        pa.field("sha256", pa.string()),
    ]
)
METADATA_COLUMNS = ["position", "label_number", "reason", "sha256"]
METADATA_DDL = "position long, label_number int, reason string, sha256 string"  # the same columns in Spark's DDL


def part_name(part: int) -> str:
    """File name of a part in every folder that has one file per part."""
    return f"part-{part:05d}.parquet"


def staged_name(part: int) -> str:
    """Name of a staged part in the storage of the tasks."""
    return f"{STAGED}/{part_name(part)}"


def read_staged_metadata(work: TaskStorage, part: int) -> pa.RecordBatch:
    """Read METADATA_COLUMNS of a staged part, without its pixels."""
    with work.open_file(staged_name(part)) as source, pq.ParquetFile(source) as file:
        table = file.read(METADATA_COLUMNS).combine_chunks()
        return pa.RecordBatch.from_arrays(
            [pa.chunked_array(column).combine_chunks() for column in table.columns], names=METADATA_COLUMNS
        )
