"""Which row goes into which split, and in which order. Pure functions of the rows' content."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.class_names import class_list
from forebay.contracts.holdout import HASH, SOURCE, content_fraction
from forebay.contracts.shards import SPLITS
from forebay.errors import DataError
from forebay.settings import AUTO

TRAIN, VALIDATION, TEST = range(len(SPLITS))
DROPPED = -1  # a training row of the source whose image is also one of its test rows


@dataclass(frozen=True)
class RowKeys:
    """What decides the split and the order of rows; N rows in the order of the table."""

    sha256: NDArray[np.uint8]  # N x 32
    labels: NDArray[np.int64]  # N
    source_split: NDArray[np.str_]  # N; train, test or empty


def choose_split_kind(source_split: NDArray[np.str_], wanted: str, source: str) -> str:
    """Resolve the setting `preprocess.split`: auto takes the source's own split where it has both sides.

    Raises:
        DataError: the source's split is asked for and it has none.
    """
    whole = bool((source_split == "test").any() and (source_split != "test").any())
    if wanted == SOURCE and not whole:
        raise DataError(
            source=source,
            problem="preprocess.split is source, but the source brings no split with both train and test rows",
            fix="Set preprocess.split=hash (or auto) to split by content",
        )
    if wanted == AUTO:
        return SOURCE if whole else HASH
    return wanted


def assign_splits(keys: RowKeys, *, kind: str, holdout: float, validation: float) -> NDArray[np.int8]:
    """Give every row its split: TRAIN, VALIDATION, TEST or DROPPED.

    The content decides, by fractions. A class with so few rows that it would have none to learn from, or none to be
    judged by, gets one of each: its image of the highest content fraction is trained on, the one of the lowest is
    held out. A class of one image is trained on. The source's own test rows are never touched.

    Equal images always share a split, because only their digest (and the source's own split) decides.

    Args:
        kind: hash or source.
        holdout: fraction of rows for test; not used with the source's own split.
        validation: fraction of rows for validation; with the source's own split, a fraction of its training rows.
    """
    fraction = content_fraction(keys.sha256)
    if kind == HASH:
        conditions, choices = [fraction < holdout, fraction < holdout + validation], [TEST, VALIDATION]
    else:
        test = keys.source_split == "test"
        leaked = ~test & np.isin(_as_bytes(keys.sha256), _as_bytes(keys.sha256[test]))
        conditions, choices = [test, leaked, fraction < validation], [TEST, DROPPED, VALIDATION]
    by_fraction = np.select(conditions, choices, TRAIN).astype(np.int8)
    return _with_both_sides(keys, by_fraction, kind)


def order_rows(keys: RowKeys, splits: NDArray[np.int8], split: int) -> NDArray[np.int64]:
    """Sort the rows of one split by digest, then label: the order is the same however the table was partitioned.

    Returns:
        int64, row numbers in the table.
    """
    rows = np.flatnonzero(splits == split)
    words = np.ascontiguousarray(keys.sha256[rows]).view(">u8")
    return rows[np.lexsort((keys.labels[rows], words[:, 3], words[:, 2], words[:, 1], words[:, 0]))]


def count_class_rows(
    labels: NDArray[np.int64], splits: NDArray[np.int8], split: int, classes: int
) -> NDArray[np.int64]:
    """Count the rows of one split by class; int64, one count per class."""
    return np.bincount(labels[splits == split], minlength=classes)


_MOVABLE = {HASH: (TRAIN, VALIDATION, TEST), SOURCE: (TRAIN, VALIDATION)}


def _with_both_sides(keys: RowKeys, splits: NDArray[np.int8], kind: str) -> NDArray[np.int8]:
    """Move an image of each class that lacks training rows or, with the hash split, test rows; returns a copy."""
    classes = int(keys.labels.max()) + 1
    lacks = count_class_rows(keys.labels, splits, TRAIN, classes) == 0
    if kind == HASH:
        lacks |= count_class_rows(keys.labels, splits, TEST, classes) == 0
    rows = np.flatnonzero(lacks[keys.labels] & np.isin(splits, _MOVABLE[kind]))
    rows = rows[~_of_several_classes(keys, rows)]
    names, moved = _as_bytes(keys.sha256), splits.copy()
    rows = rows[np.argsort(keys.labels[rows], kind="stable")]
    for mine in np.split(rows, np.flatnonzero(np.diff(keys.labels[rows])) + 1):
        moved[mine] = _both_sides(names[mine], splits[mine], kind)
    return moved


def _both_sides(names: NDArray[np.bytes_], splits: NDArray[np.int8], kind: str) -> NDArray[np.int8]:
    """The splits of one class's rows: where no image trains, the highest does; where none tests, the lowest does."""
    images = np.unique(names)
    if len(images) and TRAIN not in splits:
        splits = np.where(names == images[-1], TRAIN, splits)
    if kind == HASH and TEST not in splits and len(images) > 1:
        splits = np.where(names == images[0], TEST, splits)
    return splits


def _of_several_classes(keys: RowKeys, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these rows show an image that another class shows too; they stay. Ingest leaves no such rows."""
    if not len(rows):
        return np.zeros(0, np.bool_)
    names = _as_bytes(keys.sha256)
    same = np.flatnonzero(np.isin(names, names[rows]))
    _, first, which = np.unique(names[same], return_index=True, return_inverse=True)
    differs = keys.labels[same] != keys.labels[same][first][which]
    return np.isin(names[rows], names[same][differs])


def check_splits(keys: RowKeys, splits: NDArray[np.int8], classes: list[str], source: str, kind: str) -> None:
    """Refuse a split from which nothing can be learned, or on which nothing can be measured.

    Raises:
        DataError: a class without training rows, or no test rows.
    """
    missing = np.flatnonzero(count_class_rows(keys.labels, splits, TRAIN, len(classes)) == 0)
    if len(missing):
        them = "it" if len(missing) == 1 else "them"
        where = f"after the split of {len(splits)} rows"
        fix = f"Add images of {them}, or leave {them} out"
        if kind == SOURCE:
            where = f"in the source's own split, which has {them} among its test rows only"
            fix = (
                f"Add images of {them} to the source's training part, take {them} out of its test part, or set "
                "preprocess.split=hash, which splits all rows by content"
            )
        names = class_list([classes[label] for label in missing])
        raise DataError(source=source, problem=f"no training rows for {names} {where}", fix=fix)
    if not (splits == TEST).any():
        raise DataError(
            source=source,
            problem=f"none of the {len(splits)} rows can be held out for the test split: no class has two images, "
            "and one is trained on",
            fix="Add images; a class needs two or more to be judged",
        )


def _as_bytes(sha256: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """One opaque 32-byte value per row, which numpy can sort and compare."""
    return np.ascontiguousarray(sha256).view("S32").reshape(-1)
