"""Read ingest's row table in batches, twice in the same order: first what decides the split, then the pixels."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import ROWS, content_digest, pixel_digest
from forebay.errors import DamagedArtifactError, DataError
from forebay.preprocess.split import RowKeys
from forebay.state.sealed import check_content

KEY_BATCH_ROWS = 65_536
PIXEL_BATCH_BYTES = 16_777_216
_FIX = "Run ingest again"


def read_keys(dataset: Path, manifest: DataManifest) -> RowKeys:
    """Read digest, label and source split of every row, without pixels.

    The files must be those that ingest sealed; labels and splits must give the digest that names the dataset.

    Raises:
        DamagedArtifactError: a file, or a row's label, is not what ingest wrote.
        DataError: the table cannot be read, its number of rows is not the manifest's, or a label has no class.
    """
    check_content(dataset, manifest.maker, [f"{ROWS}/"])
    parts = [_batch_keys(batch) for batch in _batches(dataset, ["sha256", "label", "split"], KEY_BATCH_ROWS)]
    if not parts:
        raise DataError(source=str(dataset), problem="the row table is empty", fix="Give ingest a source with images")
    keys = RowKeys(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if len(keys.labels) != manifest.rows:
        raise DataError(
            source=str(dataset), problem=f"{len(keys.labels)} rows where the manifest says {manifest.rows}", fix=_FIX
        )
    if keys.labels.min() < 0 or keys.labels.max() >= len(manifest.classes):
        raise DataError(
            source=str(dataset),
            problem=f"labels must be 0 to {len(manifest.classes) - 1}, found "
            f"{keys.labels.min()} to {keys.labels.max()}",
            fix=_FIX,
        )
    _check_digest(dataset, keys, manifest)
    return keys


def _check_digest(dataset: Path, keys: RowKeys, manifest: DataManifest) -> None:
    rows = pa.table(
        {
            "sha256": [digest.tobytes().hex() for digest in keys.sha256],
            "label_name": pa.array(manifest.classes, pa.string()).take(pa.array(keys.labels)),
            "split": pa.array(keys.source_split.tolist(), pa.string()),
        }
    )
    found = content_digest(rows, (manifest.height, manifest.width, manifest.channels), manifest.classes)
    if found != manifest.digest:
        problem = (
            f"labels, splits or images were changed: their digest is {found[:12]}…, ingest's {manifest.digest[:12]}…"
        )
        raise DamagedArtifactError(folder=dataset, source=str(dataset / ROWS), problem=problem, fix=f"{_FIX}.")


def read_images(dataset: Path, manifest: DataManifest) -> Iterator[tuple[NDArray[np.uint8], pa.Array]]:
    """Yield the images in the order of `read_keys`, as uint8 N x H x W x C batches of about 16 MiB, and N sources.

    The digests are checked on the way, because the split depends on them.

    Raises:
        DataError: a row has another size, or its pixels do not give its digest.
    """
    shape = (manifest.height, manifest.width, manifest.channels)
    batch_rows = max(1, PIXEL_BATCH_BYTES // math.prod(shape))
    for batch in _batches(dataset, ["pixels", "sha256", "source"], batch_rows):
        pixels = batch["pixels"].to_pylist()
        for row in zip(batch["source"].to_pylist(), pixels, batch["sha256"].to_pylist(), strict=True):
            _check_row(*row, shape)
        yield np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, *shape), batch["source"]


def _batches(dataset: Path, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    for path in sorted((dataset / ROWS).glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                _check_columns(path, file.schema_arrow.names, columns)
                yield from file.iter_batches(rows, columns=columns)
        except MemoryError:  # Arrow's is both, and no fault of the file
            raise
        except (OSError, pa.ArrowException) as error:
            raise DataError(source=str(path), problem=f"cannot be read ({error})", fix=_FIX) from error


def _check_columns(path: Path, have: list[str], wanted: list[str]) -> None:
    missing = [column for column in wanted if column not in have]
    if missing:
        raise DataError(source=str(path), problem=f"column {missing[0]!r} is missing", fix=_FIX)


def _batch_keys(batch: pa.RecordBatch) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    sha256 = np.frombuffer(bytes.fromhex("".join(batch["sha256"].to_pylist())), np.uint8).reshape(-1, 32)
    labels = batch["label"].to_numpy().astype(np.int64)
    source_split = np.array(batch["split"].fill_null("").to_pylist(), dtype="U5")
    return sha256, labels, source_split


def _check_row(source: str, pixels: bytes, sha256: str, shape: tuple[int, int, int]) -> None:
    if len(pixels) != math.prod(shape):
        raise DataError(
            source=source,
            problem=f"{len(pixels)} bytes of pixels where {'x'.join(map(str, shape))} needs {math.prod(shape)}",
            fix=_FIX,
        )
    if pixel_digest(pixels, *shape).hex() != sha256:
        raise DataError(source=source, problem="the pixels are not those that its sha256 names", fix=_FIX)
