"""The one table that ingest writes: Parquet files under `rows/`, a quarantine table under `quarantine/`."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa

ROWS = "rows"
QUARANTINE = "quarantine"

ROW_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # first 16 hex digits of sha256; unique in the table
        pa.field("pixels", pa.binary(), nullable=False),  # uint8, row-major H x W x C
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("channels", pa.int32(), nullable=False),  # 1 grey, 3 RGB
        pa.field("label", pa.int32(), nullable=False),  # index into the manifest's classes
        pa.field("label_name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # path inside the source, or its row number
        pa.field("sha256", pa.string(), nullable=False),  # `pixel_digest` in hex
        pa.field("split", pa.string()),  # train or test where the source brings its own split, else null
    ]
)

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("label_name", pa.string()),  # null when unlabelled
        pa.field("reason", pa.string(), nullable=False),  # one word of QUARANTINE_REASONS
        pa.field("detail", pa.string(), nullable=False),  # for people: what was found
    ]
)

QUARANTINE_REASONS = (
    "unreadable",  # empty, truncated, not an image, or of a kind that is not read
    "too_large",  # more pixels or bytes than the settings allow
    "too_costly",  # far more work than its pixels are worth, such as thousands of scans
    "unlabelled",  # lies outside every class folder
    "mis_sized",  # has another size, with ingest.on_size=quarantine
    "duplicate",  # the same pixels came before (by source path)
    "conflicting_labels",  # the same pixels under two labels; none is kept
)


def pixel_digest(pixels: bytes, height: int, width: int, channels: int) -> bytes:
    """The identity of an image: the sha256 of `HxWxC:` in ASCII, followed by the pixel bytes as stored."""
    return hashlib.sha256(f"{height}x{width}x{channels}:".encode() + pixels).digest()


def content_digest(rows: pa.Table, shape: Sequence[int], classes: Sequence[str]) -> str:
    """The identity of a dataset: it covers pixels, labels and splits of the rows, not their order, files or paths.

    Args:
        rows: the columns sha256, label_name and split (which may be null).
        shape: height, width, channels.
        classes: in label order.
    """
    header = ["x".join(map(str, shape)), *classes]
    digest = hashlib.sha256("\0".join(header).encode() + b"\n")
    columns = ("sha256", "label_name", "split")
    ordered = rows.sort_by([(name, "ascending") for name in columns])  # ingest leaves no sha256 twice
    for sha256, label_name, split in zip(*(ordered[name].to_pylist() for name in columns), strict=True):
        digest.update(f"{sha256}\0{label_name}\0{split or ''}\n".encode())
    return digest.hexdigest()
