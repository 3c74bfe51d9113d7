"""Which of equal images is kept, and the facts of what is kept; pure functions over Arrow tables of metadata.

The first by source path is kept; the same pixels under two labels are all quarantined, since no label can be trusted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

IMBALANCE = 10  # times the smallest class


@dataclass(frozen=True, kw_only=True)
class DeduplicationResult:
    """What is kept of the images that could be stored."""

    kept: pa.Table  # sha256, label_name, split of each row that is kept, in no order
    repeated: pa.Table  # sha256, first (position), source (of the first), conflicting: images that occur twice
    counts: dict[str, int]  # quarantined by this verdict, by reason


def judge(groups: pa.Table, index: pa.Table) -> DeduplicationResult:
    """Judge groups of equal images.

    Args:
        groups: sha256, first (the lowest position), rows, low and high (label numbers): one row per distinct image.
        index: the source's index; gives label name, split and source of a position.
    """
    records = index.select(["position", "source", "label_name", "split"]).sort_by("position")
    groups = groups.append_column("conflicting", pc.not_equal(groups["low"], groups["high"]))
    agreed = groups.filter(pc.invert(groups["conflicting"]))
    firsts = records.take(agreed["first"])
    repeated = groups.filter(pc.greater(groups["rows"], 1))
    counts = {
        "duplicate": (pc.sum(agreed["rows"]).as_py() or 0) - len(agreed),
        "conflicting_labels": (pc.sum(groups["rows"]).as_py() or 0) - (pc.sum(agreed["rows"]).as_py() or 0),
    }
    return DeduplicationResult(
        kept=pa.table({"sha256": agreed["sha256"], "label_name": firsts["label_name"], "split": firsts["split"]}),
        repeated=repeated.select(["sha256", "first", "conflicting"]).append_column(
            "source", records.take(repeated["first"])["source"]
        ),
        counts={reason: count for reason, count in counts.items() if count},
    )


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, nulls left out."""
    counted = pc.value_counts(column.drop_null())
    return {item["values"].as_py(): item["counts"].as_py() for item in counted}


def order_classes(names: Iterable[str]) -> list[str]:
    """Class names in label order: by number where all of them are numbers, else by code point."""
    names = list(names)
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def class_warnings(class_rows: dict[str, int], seen: Iterable[str], min_class_rows: int) -> list[str]:
    """What a person should know about the classes before training on them.

    Args:
        class_rows: rows kept by class.
        seen: every class name in the source, also those of which nothing is kept.
        min_class_rows: a class with fewer rows is named.
    """
    warnings = []
    lost = order_classes(set(seen) - set(class_rows))
    if lost:
        warnings.append(f"No usable image is left of {_named(lost)}; the model will not know it.")
    if alike := _alike(class_rows):
        warnings.append(
            f"Classes whose names differ in nothing but capitals or spaces: {'; '.join(alike)}. Are they one?"
        )
    few = [f"{name} ({rows})" for name, rows in class_rows.items() if rows < min_class_rows]
    if few:
        warnings.append(f"Fewer than {min_class_rows} rows: {_named(few)}. Expect poor results there; add images.")
    largest, smallest = max(class_rows, key=class_rows.__getitem__), min(class_rows, key=class_rows.__getitem__)
    if class_rows[largest] > IMBALANCE * class_rows[smallest]:
        warnings.append(
            f"The classes are very uneven: {largest} has {class_rows[largest]} rows and {smallest} has "
            f"{class_rows[smallest]}. Consider train.class_weights=balanced."
        )
    return warnings


def _alike(names: Iterable[str]) -> list[str]:
    """Names that a person hardly tells apart, in quotes."""
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [", ".join(map(repr, sorted(alike))) for alike in forms.values() if len(alike) > 1][:10]


def one_sided_class_warnings(kept: pa.Table) -> list[str]:
    """What to say of classes that stand on one side of the source's own split only.

    Args:
        kept: label_name and split (train, test or null) of each row.
    """
    rows = kept.select(["label_name", "split"]).group_by(["label_name", "split"]).aggregate([]).to_pylist()
    sides = {side: {row["label_name"] for row in rows if row["split"] == side} for side in ("train", "test")}
    if not all(sides.values()):
        return []
    warnings = []
    if only := order_classes(sides["train"] - sides["test"]):
        warnings.append(f"Only among the training rows: {_named(only)}. Nothing says how well the model knows them.")
    if only := order_classes(sides["test"] - sides["train"]):
        warnings.append(
            f"Only among the held-out rows: {_named(only)}. The model cannot learn them; add training images."
        )
    return warnings


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
