"""Ingest of a tar of JPEGs: ours against one plain Python process and against a Spark job with a row UDF.

All three decode the same images and write pixels, label, size and digest as Parquet. Ours also judges duplicates and
writes the manifest. Both Spark jobs run on one warm session, so its start is not in the figures.
"""

import contextlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.case import Case, rate
from forebay.contracts.rows import pixel_digest
from forebay.ingest import ingest
from forebay.ingest.spark.session import spark_session
from forebay.settings import IngestConfig
from forebay.state import Home, StepLog

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 20_000
SIDE = 32
TAR_VARIABLE = "FOREBAY_CIFAR10_TAR"
COLUMNS = ("pixels", "height", "width", "channels", "label_name", "sha256")


@dataclass(frozen=True)
class Bench:
    """A tar of images, a warm session, and a folder that each run empties first."""

    session: "SparkSession"
    source: Path
    out: Path
    log: StepLog

    @property
    def digests(self) -> list[str]:
        """What the last run wrote: the digest of every row, sorted."""
        return sorted(ds.dataset(self.out / "rows", format="parquet").to_table(["sha256"])["sha256"].to_pylist())


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Rows per second of the three."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        rows = _write_tar(root / "images.tar")
        (root / "spark").mkdir()
        session = stack.enter_context(spark_session(root / "spark"))
        log = StepLog(name="ingest", run_id="", home=Home(root / "home").open(), events=root / "events.jsonl")
        bench = Bench(session, root / "images.tar", root / "out", log)
        expected = _digests(bench.source)
        yield [
            _case("forebay", _ours, bench, rows, expected),
            _case("plain pyarrow, one process", _plain, bench, rows, expected),
            _case("Spark row UDF", _row_udf, bench, rows, expected),
        ]


def _case(name: str, run: Callable[[Bench], None], bench: Bench, rows: int, expected: list[str]) -> Case:
    def once() -> None:
        shutil.rmtree(bench.out, ignore_errors=True)
        (bench.out / "rows").mkdir(parents=True)
        run(bench)

    def check() -> None:
        once()
        assert bench.digests == expected, f"{name} wrote other rows"

    group = f"ingest of {rows:,} JPEGs in a tar, {SIDE}x{SIDE} colour"
    return Case(group=group, name=name, unit="rows/s", better="higher", check=check, measure=rate(rows, once))


def _ours(bench: Bench) -> None:
    ingest(bench.out, IngestConfig(data=str(bench.source)), bench.log)


def _plain(bench: Bench) -> None:
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    with tarfile.open(bench.source) as tar:
        for info in tar:
            if info.isreg():
                row = _decoded(tar.extractfile(info).read())  # type: ignore[union-attr]
                for name, value in zip(COLUMNS, (*row[:4], info.name.split("/")[0], row[4]), strict=True):
                    columns[name].append(value)
    pq.write_table(pa.table(columns), bench.out / "rows" / "part.parquet")


def _row_udf(bench: Bench) -> None:
    """The index comes from the driver, as ours does; each row is read and decoded by a Python function of its own."""
    from pyspark.sql.functions import udf

    with tarfile.open(bench.source) as tar:
        places = [(info.name.split("/")[0], info.offset_data, info.size) for info in tar if info.isreg()]
    path = str(bench.source)
    kind = "pixels binary, height int, width int, channels int, sha256 string"

    @udf(kind)
    def decode(offset, size):  # type: ignore[no-untyped-def]  # with hints Spark warns
        with Path(path).open("rb") as file:
            file.seek(offset)
            return _decoded(file.read(size))

    index = bench.session.createDataFrame(places, "label_name string, offset long, size long").repartition(8)
    decoded = index.select("label_name", decode("offset", "size").alias("row")).select("row.*", "label_name")
    decoded.write.mode("overwrite").parquet(str(bench.out / "rows"))


def _decoded(data: bytes) -> tuple[bytes, int, int, int, str]:
    pixels_HWC = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    height, width, channels = pixels_HWC.shape
    pixels = pixels_HWC.tobytes()
    return pixels, height, width, channels, pixel_digest(pixels, height, width, channels).hex()


def _digests(source: Path) -> list[str]:
    with tarfile.open(source) as tar:
        return sorted(_decoded(tar.extractfile(info).read())[4] for info in tar if info.isreg())  # type: ignore[union-attr]


def _write_tar(target: Path) -> int:
    """The first images of each class of the tar that the environment names, else as many drawn at random."""
    images = _cifar10() if TAR_VARIABLE in os.environ else _noise()
    rows = 0
    with tarfile.open(target, "w") as tar:
        for name, data in images:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            rows += 1
    return rows


def _cifar10() -> Iterator[tuple[str, bytes]]:
    taken: dict[str, int] = {}
    with tarfile.open(os.environ[TAR_VARIABLE]) as tar:
        for info in tar:
            label = info.name.split("/")[-2] if info.isreg() else ""
            if label and taken.setdefault(label, 0) < ROWS // 10:
                taken[label] += 1
                yield f"{label}/{taken[label]:05d}.jpg", tar.extractfile(info).read()  # type: ignore[union-attr]


def _noise() -> Iterator[tuple[str, bytes]]:
    generator = np.random.default_rng(0)
    for row in range(ROWS):
        buffer = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(buffer, "JPEG", quality=90)
        yield f"class{row % 10}/{row:05d}.jpg", buffer.getvalue()
