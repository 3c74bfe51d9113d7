"""Which rows a model never trains on; an image's content alone decides.

Several steps share the rule: preprocess splits by it, evaluate counts only rows that it held out, and the gate asks
which rows it held out for a champion that was trained earlier, on other data or with another holdout.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

HASH = "hash"  # a SplitManifest.split_kind: content decides
SOURCE = "source"  # a SplitManifest.split_kind: the source's own split decides

HELD_OUT = "held_out"  # a key of the exceptions: ids of test rows at or above the holdout
TRAINED = "trained"  # a key of the exceptions: ids of rows below the holdout that were trained on


def content_fraction(sha256: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Map images to 0..1 by content: the first 8 bytes of the digest, read as a big-endian number, over 2^64.

    Args:
        sha256: uint8, N x 32.

    Returns:
        float64, N. Rows below `holdout` are test rows under the hash split, except those that `exceptions` lists.
    """
    return _first_8(sha256).astype(np.float64) / 2.0**64


def split_exceptions(sha256: NDArray[np.uint8], test: NDArray[np.bool_], holdout: float) -> dict[str, list[str]]:
    """The rows for which a hash split departs from `holdout`, so that classes with few rows have some on each side.

    Args:
        sha256: uint8, N x 32.
        test: bool, N; the rows that are held out.
        holdout: the fraction of rows to hold out.

    Returns:
        Ids (the first 16 hex digits of an image's sha256) under `held_out` and `trained`; each once, sorted.
    """
    below = content_fraction(sha256) < holdout
    return {HELD_OUT: _ids(sha256[test & ~below]), TRAINED: _ids(sha256[~test & below])}


def held_out_rows(sha256: NDArray[np.uint8], holdout: float, moved: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Tell which images a hash split certainly kept from training, whether or not they were in its data.

    Args:
        sha256: uint8, N x 32, of any images.
        holdout: the fraction of that split.
        moved: the `exceptions` of that split; empty for one that is older than exceptions.
    """
    first = _first_8(sha256)
    below = content_fraction(sha256) < holdout
    trained, held = (_numbers(moved.get(key, ())) for key in (TRAINED, HELD_OUT))
    return (below & ~np.isin(first, trained)) | np.isin(first, held)


def common_holdout(splits: Sequence[tuple[float, Mapping[str, Sequence[str]]]]) -> tuple[float, dict[str, list[str]]]:
    """The one hash split whose `held_out_rows` are the rows that every one of these splits kept from training.

    Args:
        splits: holdout and exceptions of each; one or more.

    Returns:
        Its holdout and its exceptions.
    """
    holdout = min(holdout for holdout, _ in splits)
    trained = {row for _, moved in splits for row in moved.get(TRAINED, ())}
    held = {row for _, moved in splits for row in moved.get(HELD_OUT, ()) if int(row, 16) / 2.0**64 >= holdout}
    for other, moved in splits:
        below = {row for row in held if int(row, 16) / 2.0**64 < other}
        held &= (below | set(moved.get(HELD_OUT, ()))) - set(moved.get(TRAINED, ()))
    return holdout, {HELD_OUT: sorted(held), TRAINED: sorted(trained)}


def _first_8(sha256: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(sha256[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def _ids(sha256: NDArray[np.uint8]) -> list[str]:
    return sorted({row.tobytes().hex() for row in sha256[:, :8]})


def _numbers(ids: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in ids], np.uint64)
