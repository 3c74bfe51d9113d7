"""What the step says of the data set: the manifest, the warnings, and when it is not worth training on."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import QUARANTINE
from forebay.errors import DataError
from forebay.ingest.detect import Found, data_set_name
from forebay.ingest.picture_warnings import picture_warnings
from forebay.ingest.shapes import Outcome, Target, found_shapes
from forebay.ingest.verdict import Verdict, class_order, class_warnings, content_digest, count_values
from forebay.settings import IngestConfig

PLACING = ("executors", "executor_memory")  # where the work is done: the data is the same, and so is its manifest


def make_manifest(
    found: Found, config: IngestConfig, target: Target, outcomes: Counter[Outcome], verdict: Verdict, index: pa.Table
) -> DataManifest:
    """Everything that is known of the data set, once its rows are written."""
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
        **{key: value for key, value in asdict(config).items() if key not in PLACING},
        "size": f"{target.shape.height}x{target.shape.width}",
        "channels": str(target.shape.channels),
        "bits": str(target.bits),
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
        **target.shape._asdict(),
        digest=content_digest(verdict.kept, target.shape, classes),
        quarantined=dict(quarantined),
        sizes=dict(sizes),
        splits=count_values(verdict.kept["split"]),
        warnings=_warnings(dict(quarantined), class_rows, labels, len(index), config)
        + picture_warnings(outcomes, target, config),
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


def check(manifest: DataManifest, config: IngestConfig, rows: int, out: Path) -> None:
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
