"""The ingest step: index the source, decode and stage in Spark, judge equal pictures, write what is kept."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.manifest import MANIFEST, DataManifest
from forebay.contracts.rows import QUARANTINE, ROWS
from forebay.errors import DataError
from forebay.ingest.decode import DecodeJob, Outcome, Shape, decode_part, sample_shapes
from forebay.ingest.detect import Found, data_set_name, find
from forebay.ingest.index import write_index
from forebay.ingest.spark import in_words, run_parts, spark_session
from forebay.ingest.verdict import Verdict, class_order, class_warnings, content_digest, count_values, judge
from forebay.ingest.write import WriteJob, write_part
from forebay.settings import AUTO, IngestConfig
from forebay.state import StepLog, seal
from forebay.state.files import MARKER

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SAMPLE_ROWS = 64
OUTCOME_SCHEMA = "height int, width int, channels int, reason string, rows long"


def ingest(out: Path, config: IngestConfig, log: StepLog) -> DataManifest:
    """Read a source into the row table, the quarantine table and the manifest; see `forebay.ingest`."""
    with _work_folder(out) as work, ThreadPoolExecutor(1) as pool:
        found = find(config.data, work)
        indexing = pool.submit(found.index)  # while Java starts
        with spark_session(work) as session, in_words(config.data):
            index = indexing.result()
            parts = write_index(index, work / "index.parquet")
            job, outcomes = _decode(session, _first_job(found, index, config, work), index, parts, config, log)
            verdict = judge(_groups(session, job.staged), index)
            class_rows = count_values(verdict.kept["label_name"])
            _write(session, job, parts, verdict, class_order(class_rows), out)
    manifest = _manifest(found, config, job.shape, outcomes, verdict, index)
    for warning in manifest.warnings:
        log.warn(warning)
    _check(manifest, config, len(index), out)
    manifest.write(out)
    seal(out)
    return manifest


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside the result, on the same disk; what an earlier, broken try left is removed first."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (MARKER, MANIFEST):
        (out / name).unlink(missing_ok=True)
    for stale in (out / ROWS, out / QUARANTINE, *out.glob(".work-*")):
        shutil.rmtree(stale, ignore_errors=True)
    (out / ROWS).mkdir()
    (out / QUARANTINE).mkdir()
    with tempfile.TemporaryDirectory(dir=out.absolute(), prefix=".work-") as work:
        yield Path(work)


def _first_job(found: Found, index: pa.Table, config: IngestConfig, work: Path) -> DecodeJob:
    job = DecodeJob(
        index=work / "index.parquet",
        staged=work / "staged",
        kind=found.source.kind,
        shape=Shape(1, 1, 1),
        resize=config.on_size == "resize",
        max_pixels=config.max_pixels,
        max_file_bytes=config.max_file_bytes,
    )
    sample = index.take(np.unique(np.linspace(0, len(index) - 1, SAMPLE_ROWS).astype(np.int64)))
    return replace(job, shape=resolve_shape(sample_shapes(job, sample), config))


def _decode(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, config: IngestConfig, log: StepLog
) -> tuple[DecodeJob, Counter[Outcome]]:
    """Stage every picture in its final shape.

    The commonest size is known only when all are decoded. A sample guesses it, which is nearly always right and saves
    a pass; where it was wrong, the pictures are staged once more.
    """
    outcomes = _stage(session, job, index, parts, log)
    shape = resolve_shape(found_shapes(outcomes), config)
    if shape != job.shape and found_shapes(outcomes):
        job = replace(job, shape=shape)
        outcomes = _stage(session, job, index, parts, log)
    return job, outcomes


def _stage(session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, log: StepLog) -> Counter[Outcome]:
    job.staged.mkdir(exist_ok=True)

    def work(part: int) -> pa.RecordBatch:
        return outcome_batch(decode_part(job, part))

    def progress(finished: int) -> None:
        log.progress(len(index) * finished // parts, len(index), "pictures")

    counted: Counter[Outcome] = Counter()
    for row in run_parts(session, parts, work, OUTCOME_SCHEMA, progress).to_pylist():
        found = Shape(row["height"], row["width"], row["channels"]) if row["height"] else None
        counted[Outcome(found, row["reason"])] += row["rows"]
    return counted


def outcome_batch(outcomes: Counter[Outcome]) -> pa.RecordBatch:
    """Counted outcomes as Arrow, to travel from a task to the driver."""
    rows = [
        {**(found._asdict() if found else {}), "reason": reason, "rows": count}
        for (found, reason), count in outcomes.items()
    ]
    schema = pa.schema(
        [("height", pa.int32()), ("width", pa.int32()), ("channels", pa.int32()), ("reason", pa.string()),
         ("rows", pa.int64())]
    )  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema)


def found_shapes(outcomes: Counter[Outcome]) -> Counter[Shape]:
    """How many readable pictures have each shape, as found in the source."""
    shapes: Counter[Shape] = Counter()
    for outcome, count in outcomes.items():
        if outcome.found is not None:
            shapes[outcome.found] += count
    return shapes


def resolve_shape(shapes: Counter[Shape], config: IngestConfig) -> Shape:
    """The shape to store: as set, else the commonest size (of equally common ones the largest) and grey if all are."""
    if config.size != AUTO:
        height, width = map(int, config.size.split("x"))
    else:
        sizes: Counter[tuple[int, int]] = Counter({(1, 1): 0})
        for shape, count in shapes.items():
            sizes[shape[:2]] += count
        height, width = max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))
    if config.channels != AUTO:
        return Shape(height, width, int(config.channels))
    return Shape(height, width, 1 if all(shape.channels == 1 for shape in shapes) else 3)


def _groups(session: "SparkSession", staged: Path) -> pa.Table:
    """Equal pictures, grouped in Spark: a shuffle of digests and numbers, never of pixels."""
    from pyspark.sql import functions as sql

    columns = "position long, label_number int, reason string, sha256 string"
    usable = session.read.schema(columns).parquet(str(staged)).where("reason is null")
    return (
        usable.groupBy("sha256")
        .agg(
            sql.min("position").alias("first"),
            sql.count("position").alias("rows"),
            sql.min("label_number").alias("low"),
            sql.max("label_number").alias("high"),
        )
        .toArrow()
    )


def _write(
    session: "SparkSession", staged: DecodeJob, parts: int, verdict: Verdict, classes: list[str], out: Path
) -> None:
    repeated = staged.index.with_name("repeated.parquet")
    pq.write_table(verdict.repeated, repeated)
    job = WriteJob(staged=staged.staged, repeated=repeated, out=out.absolute(), classes=classes, shape=staged.shape)

    def work(part: int) -> pa.RecordBatch:
        write_part(job, part)
        return pa.record_batch({"part": pa.array([part], pa.int64())})

    run_parts(session, parts, work, "part long", lambda finished: None)


def _manifest(
    found: Found, config: IngestConfig, shape: Shape, outcomes: Counter[Outcome], verdict: Verdict, index: pa.Table
) -> DataManifest:
    class_rows = count_values(verdict.kept["label_name"])
    classes = class_order(class_rows)
    quarantined = Counter(verdict.counts)
    for outcome, count in outcomes.items():
        if outcome.reason is not None:
            quarantined[outcome.reason] += count
    sizes: Counter[str] = Counter()
    for found_shape, count in found_shapes(outcomes).items():
        sizes[f"{found_shape.height}x{found_shape.width}"] += count
    labels = index["label_name"].drop_null().unique().to_pylist()
    settings = {
        **asdict(config),
        "size": f"{shape.height}x{shape.width}",
        "channels": str(shape.channels),
    }
    return DataManifest(
        name=data_set_name(config.data),
        source=config.data,
        kind=found.kind,
        fingerprint=config.fingerprint,
        code_version=config.code_version,
        rows=len(verdict.kept),
        classes=classes,
        class_rows={name: class_rows[name] for name in classes},
        **shape._asdict(),
        digest=content_digest(verdict.kept, shape, classes),
        quarantined=dict(quarantined),
        sizes=dict(sizes),
        splits=count_values(verdict.kept["split"]),
        warnings=_warnings(dict(quarantined), class_rows, labels, len(index), config),
        settings=settings,
    )


def _warnings(
    quarantined: dict[str, int], class_rows: dict[str, int], labels: list[str], rows: int, config: IngestConfig
) -> list[str]:
    warnings = class_warnings(class_rows, labels, config.min_class_rows) if class_rows else []
    if quarantined:
        warnings.insert(
            0, f"{sum(quarantined.values())} of {rows} pictures are quarantined: {_by_reason(quarantined)}."
        )
    return warnings


def _by_reason(quarantined: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(quarantined.items()))


def _check(manifest: DataManifest, config: IngestConfig, rows: int, out: Path) -> None:
    """Refuse data that is not worth training on.

    Raises:
        DataError: too much is quarantined, or fewer than two classes are left.
    """
    bad = sum(manifest.quarantined.values())
    if bad > config.max_quarantine * rows:
        raise DataError(
            source=config.data,
            problem=f"{bad} of {rows} pictures ({bad / rows:.1%}) are quarantined, more than "
            f"ingest.max_quarantine={config.max_quarantine:g} allows: {_by_reason(manifest.quarantined)}",
            fix=f"See source, reason and detail of each in {out / QUARANTINE} (Parquet); mend the pictures, or raise "
            f"ingest.max_quarantine.{_HINTS.get(max(manifest.quarantined, key=manifest.quarantined.__getitem__), '')}",
        )
    if len(manifest.classes) < 2:
        raise DataError(
            source=config.data,
            problem=f"{manifest.rows} rows in {len(manifest.classes)} class(es) are left",
            fix="A classifier needs at least two classes: give a folder that holds one sub-folder per class.",
        )


_HINTS = {
    "unlabelled": " Pictures get their label from the folder they lie in: one sub-folder per class.",
    "mis_sized": " ingest.on_size=resize takes pictures of every size.",
    "too_large": " ingest.max_pixels and ingest.max_file_bytes are the limits.",
}
