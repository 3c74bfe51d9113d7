"""Makes the manifest: what ingest knows about the dataset, and what a person should know."""

import hashlib
from collections import Counter
from dataclasses import asdict

import pyarrow as pa

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import content_digest
from forebay.ingest.decode_outcome import DecodeOutcome, count_source_shapes
from forebay.ingest.deduplication import DeduplicationResult
from forebay.ingest.detect import DetectedSource
from forebay.ingest.summary.class_order import order_classes
from forebay.ingest.summary.class_warnings import class_warnings, one_sided_class_warnings
from forebay.ingest.summary.dataset_name import dataset_name, name_warning
from forebay.ingest.summary.image_warnings import image_warnings
from forebay.ingest.target_format import TargetFormat
from forebay.settings import IngestConfig

# They say where the work is done. The data does not depend on it, so neither does the manifest.
EXECUTOR_SETTINGS = ("executors", "executor_memory")


def make_manifest(
    detected: DetectedSource,
    config: IngestConfig,
    target: TargetFormat,
    outcomes: Counter[DecodeOutcome],
    result: DeduplicationResult,
    index: pa.Table,
) -> DataManifest:
    """Make the manifest, once the rows are written."""
    class_rows = result.class_rows
    classes = order_classes(class_rows)
    settings = {
        **{key: value for key, value in asdict(config).items() if key not in EXECUTOR_SETTINGS},
        "size": f"{target.shape.height}x{target.shape.width}",
        "channels": str(target.shape.channels),
        "bits": str(target.bits),
        "source_code": hashlib.sha256(config.source_code.encode()).hexdigest() if config.source_code else "",
    }
    return DataManifest(
        name=dataset_name(config.data),
        source=config.data,
        kind=detected.kind,
        fingerprint=config.fingerprint,
        code_version=config.code_version,
        rows=len(result.kept),
        classes=classes,
        class_rows={name: class_rows[name] for name in classes},
        **target.shape._asdict(),
        digest=content_digest(result.kept, target.shape, classes),
        quarantined=_quarantined(outcomes, result),
        sizes=_source_sizes(outcomes),
        splits=result.split_rows,
        warnings=_warnings(detected, config, result, index) + image_warnings(outcomes, target, config),
        settings=settings,
        colours=sum(count for shape, count in count_source_shapes(outcomes).items() if shape.channels == 3),
    )


def _quarantined(outcomes: Counter[DecodeOutcome], result: DeduplicationResult) -> dict[str, int]:
    counts = Counter(result.quarantined)
    for outcome, count in outcomes.items():
        if outcome.reason is not None:
            counts[outcome.reason] += count
    return dict(counts)


def _source_sizes(outcomes: Counter[DecodeOutcome]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for shape, count in count_source_shapes(outcomes).items():
        sizes[f"{shape.height}x{shape.width}"] += count
    return dict(sizes)


def _warnings(
    detected: DetectedSource, config: IngestConfig, result: DeduplicationResult, index: pa.Table
) -> list[str]:
    """What a person should know about the dataset: its layout, its name, its splits and classes."""
    warnings = [note.text for note in detected.notes]
    warnings += name_warning(config.data, dataset_name(config.data))
    warnings += lost_split_warning(index, result.split_rows)
    if result.class_rows:
        seen = index["label_name"].drop_null().unique().to_pylist()
        warnings += class_warnings(result.class_rows, seen, config.min_class_rows)
        warnings += one_sided_class_warnings(result.kept)
    return warnings


def lost_split_warning(index: pa.Table, split_rows: dict[str, int]) -> list[str]:
    """A warning where the source has a split, but no row of one side can be used; else an empty list."""
    lost = sorted(set(index["split"].drop_null().unique().to_pylist()) - set(split_rows))
    if not lost:
        return []
    return [
        f"No usable image is left of the source's {' and '.join(lost)} rows, so its split is dropped. Rows are held "
        "out by content instead (preprocess.holdout)."
    ]
