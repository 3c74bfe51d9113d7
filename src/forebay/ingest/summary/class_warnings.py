"""What a person should know about the classes of a dataset before training."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from forebay.ingest.summary.class_order import order_classes
from forebay.text import join_names

MAX_IMBALANCE = 10  # rows of the largest class per row of the smallest one; more is worth a warning
NAMES_SHOWN = 10


def class_warnings(class_rows: dict[str, int], seen: Iterable[str], min_class_rows: int) -> list[str]:
    """What a person should know about the classes before training on them.

    Args:
        class_rows: number of rows kept, by class.
        seen: every class name in the source, including those of which nothing is kept.
        min_class_rows: a class with fewer rows is named.
    """
    warnings = []
    lost = order_classes(set(seen) - set(class_rows))
    if lost:
        warnings.append(f"No usable image is left of {_listed(lost)}; the model will not know it.")
    if similar := _similar_names(class_rows):
        warnings.append(
            f"Classes whose names differ in nothing but capitals or spaces: {'; '.join(similar)}. Are they one?"
        )
    few = [f"{name} ({rows})" for name, rows in class_rows.items() if rows < min_class_rows]
    if few:
        warnings.append(f"Fewer than {min_class_rows} rows: {_listed(few)}. Expect poor results there; add images.")
    largest, smallest = max(class_rows, key=class_rows.__getitem__), min(class_rows, key=class_rows.__getitem__)
    if class_rows[largest] > MAX_IMBALANCE * class_rows[smallest]:
        warnings.append(
            f"The classes are very uneven: {largest} has {class_rows[largest]} rows and {smallest} has "
            f"{class_rows[smallest]}. Consider train.class_weights=balanced."
        )
    return warnings


def one_sided_class_warnings(kept: pa.Table) -> list[str]:
    """Warnings on classes that occur on only one side of the source's split.

    Args:
        kept: label_name and split (train, test or null) of each row that is kept.
    """
    rows = kept.select(["label_name", "split"]).group_by(["label_name", "split"]).aggregate([]).to_pylist()
    sides = {side: {row["label_name"] for row in rows if row["split"] == side} for side in ("train", "test")}
    if not all(sides.values()):
        return []
    warnings = []
    if only := order_classes(sides["train"] - sides["test"]):
        warnings.append(f"Only among the training rows: {_listed(only)}. Nothing says how well the model knows them.")
    if only := order_classes(sides["test"] - sides["train"]):
        warnings.append(
            f"Only among the held-out rows: {_listed(only)}. The model cannot learn them; add training images."
        )
    return warnings


def _similar_names(names: Iterable[str]) -> list[str]:
    """Groups of names that a person hardly tells apart, in quotes."""
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [", ".join(map(repr, sorted(group))) for group in forms.values() if len(group) > 1][:NAMES_SHOWN]


def _listed(names: Sequence[str]) -> str:
    return join_names(names, NAMES_SHOWN)
