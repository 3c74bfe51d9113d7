"""Which row goes into which split, and in which order. Pure functions of the rows' content."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.holdout import HASH, SOURCE, content_fraction
from forebay.contracts.shards import SPLITS
from forebay.errors import DataError
from forebay.settings import AUTO

TRAIN, VALIDATION, TEST = range(len(SPLITS))
DROPPED = -1  # a training row of the source whose picture is also one of its test rows


@dataclass(frozen=True)
class RowKeys:
    """What decides a row's place; N rows in the order of the table."""

    sha256: NDArray[np.uint8]  # N x 32
    labels: NDArray[np.int64]  # N
    source_split: NDArray[np.str_]  # N; train, test or empty


def choose_kind(source_split: NDArray[np.str_], wanted: str, source: str) -> str:
    """Resolve the setting `preprocess.split`: auto takes the source's own split where it is a whole one.

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


def assign(keys: RowKeys, *, kind: str, holdout: float, validation: float) -> NDArray[np.int8]:
    """Give every row its split: TRAIN, VALIDATION, TEST or DROPPED.

    Equal pictures always share a split, because nothing but their digest (and the source's word) is looked at.

    Args:
        kind: hash or source.
        holdout: fraction of rows for test; not used with the source's own split.
        validation: fraction of rows; with the source's own split, of its training rows.
    """
    fraction = content_fraction(keys.sha256)
    if kind == HASH:
        return np.select([fraction < holdout, fraction < holdout + validation], [TEST, VALIDATION], TRAIN).astype(
            np.int8
        )
    test = keys.source_split == "test"
    leaked = ~test & np.isin(_as_bytes(keys.sha256), _as_bytes(keys.sha256[test]))
    return np.select([test, leaked, fraction < validation], [TEST, DROPPED, VALIDATION], TRAIN).astype(np.int8)


def order(keys: RowKeys, splits: NDArray[np.int8], split: int) -> NDArray[np.int64]:
    """Rows of one split by digest, then label: the same order however the table was partitioned.

    Returns:
        int64, row numbers in the table.
    """
    rows = np.flatnonzero(splits == split)
    words = np.ascontiguousarray(keys.sha256[rows]).view(">u8")
    return rows[np.lexsort((keys.labels[rows], words[:, 3], words[:, 2], words[:, 1], words[:, 0]))]


def check_splits(keys: RowKeys, splits: NDArray[np.int8], classes: list[str], source: str) -> None:
    """Refuse a split that nothing can be learned from or measured on.

    Raises:
        DataError: a class without training rows, or no test rows.
    """
    counts = np.bincount(keys.labels[splits == TRAIN], minlength=len(classes))
    missing = [name for name, rows in zip(classes, counts, strict=True) if rows == 0]
    if missing:
        raise DataError(
            source=source,
            problem=f"no training rows for {_listed(missing)} after the split of {len(splits)} rows",
            fix="Add pictures of that class, lower preprocess.holdout or preprocess.validation, or leave the class out",
        )
    if not (splits == TEST).any():
        raise DataError(
            source=source,
            problem=f"none of the {len(splits)} rows fell into the test split",
            fix="Add pictures or raise preprocess.holdout",
        )


def _as_bytes(sha256: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """One opaque 32-byte value per row, which numpy can sort and compare."""
    return np.ascontiguousarray(sha256).view("S32").reshape(-1)


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(repr, names[:most]))}{more}"
