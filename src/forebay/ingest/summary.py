"""What the step says of the dataset: the manifest and the warnings."""

from collections import Counter
from dataclasses import asdict

import pyarrow as pa

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import content_digest
from forebay.ingest.dataset_name import dataset_name, name_warning
from forebay.ingest.deduplication import (
    DeduplicationResult,
    class_warnings,
    count_values,
    one_sided_class_warnings,
    order_classes,
)
from forebay.ingest.detect import DetectedSource
from forebay.ingest.image_warnings import image_warnings
from forebay.ingest.target_format import DecodeOutcome, TargetFormat, count_source_shapes
from forebay.settings import IngestConfig

EXECUTOR_SETTINGS = (
    "executors",
    "executor_memory",
)  # where the work is done: the data is the same, and so is its manifest


def make_manifest(
    found: DetectedSource,
    config: IngestConfig,
    target: TargetFormat,
    outcomes: Counter[DecodeOutcome],
    verdict: DeduplicationResult,
    index: pa.Table,
) -> DataManifest:
    """Everything that is known of the dataset, once its rows are written."""
    class_rows = count_values(verdict.kept["label_name"])
    classes = order_classes(class_rows)
    quarantined = Counter(verdict.counts)
    for outcome, count in outcomes.items():
        if outcome.reason is not None:
            quarantined[outcome.reason] += count
    sizes: Counter[str] = Counter()
    for found_shape, count in count_source_shapes(outcomes).items():
        sizes[f"{found_shape.height}x{found_shape.width}"] += count
    splits = count_values(verdict.kept["split"])
    settings = {
        **{key: value for key, value in asdict(config).items() if key not in EXECUTOR_SETTINGS},
        "size": f"{target.shape.height}x{target.shape.width}",
        "channels": str(target.shape.channels),
        "bits": str(target.bits),
    }
    return DataManifest(
        name=dataset_name(config.data),
        source=config.data,
        kind=found.kind,
        fingerprint=config.fingerprint,
        code_version=config.code_version,
        rows=len(verdict.kept),
        classes=classes,
        class_rows={name: class_rows[name] for name in classes},
        **target.shape._asdict(),
        digest=content_digest(verdict.kept, target.shape, classes),
        quarantined=dict(quarantined),
        sizes=dict(sizes),
        splits=splits,
        warnings=_warnings(found, config, verdict, index) + image_warnings(outcomes, target, config),
        settings=settings,
    )


def _warnings(found: DetectedSource, config: IngestConfig, verdict: DeduplicationResult, index: pa.Table) -> list[str]:
    """What a person should know of the dataset: its layout, its name, splits and classes."""
    class_rows = count_values(verdict.kept["label_name"])
    texts = [note.text for note in found.notes]
    named = name_warning(config.data, dataset_name(config.data))
    texts += [named] if named else []
    texts += lost_split_warnings(index, count_values(verdict.kept["split"]))
    if class_rows:
        seen = index["label_name"].drop_null().unique().to_pylist()
        texts += class_warnings(class_rows, seen, config.min_class_rows)
        texts += one_sided_class_warnings(verdict.kept)
    return texts


def lost_split_warnings(index: pa.Table, splits: dict[str, int]) -> list[str]:
    """A warning where the source brings a split, but no row of one side can be used."""
    lost = sorted(set(index["split"].drop_null().unique().to_pylist()) - set(splits))
    if not lost:
        return []
    return [
        f"No usable image is left of the source's {' and '.join(lost)} rows, so its split is dropped. Rows are held "
        "out by content instead (preprocess.holdout)."
    ]
