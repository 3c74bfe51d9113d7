"""The parts of an index: the rows that one Spark task works on.

Their sizes are fixed numbers, so that the result is the same on any number of cores.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

INDEX = "index.parquet"  # in the storage of the tasks


@dataclass(frozen=True, kw_only=True)
class PartLimits:
    """How large a part may be."""

    max_rows: int = 1024
    max_bytes: int = 32 << 20


def part_starts(index: pa.Table, limits: PartLimits) -> list[int]:
    """Where each part's rows begin. Rows that share their bytes (a Parquet row group) are in one part."""
    starts, size, last = [0], 0, None
    columns = (index["uri"].to_pylist(), index["offset"].to_pylist(), index["size"].to_pylist())
    for row, (uri, offset, row_bytes) in enumerate(zip(*columns, strict=True)):
        full = row - starts[-1] >= limits.max_rows or size + row_bytes > limits.max_bytes
        if full and (uri, offset) != last and row > starts[-1]:
            starts.append(row)
            size = 0
        size += row_bytes
        last = (uri, offset)
    return starts


def write_index(index: pa.Table, path: Path, limits: PartLimits) -> int:
    """Write one row group per part and return the number of parts."""
    starts = part_starts(index, limits)
    with pq.ParquetWriter(path, index.schema) as writer:
        for start, stop in zip(starts, [*starts[1:], len(index)], strict=True):
            writer.write_table(index.slice(start, stop - start), row_group_size=max(1, stop - start))
    return len(starts)


def read_part(source: Path | BinaryIO, part: int) -> pa.Table:
    """Read the rows of one part."""
    with pq.ParquetFile(source) as file:
        return file.read_row_group(part)
