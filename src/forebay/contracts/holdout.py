"""Which rows a model never trains on, decided by a picture's content alone.

The rule belongs to no single step: preprocess splits by it, and the gate asks it which rows were held out for a
champion that was trained earlier, on other data or with another holdout.
"""

import numpy as np
from numpy.typing import NDArray

HASH = "hash"  # SplitManifest.split_kind: by content
SOURCE = "source"  # by the source's own split


def content_fraction(sha256: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Map pictures to 0..1 by content: the first 8 bytes of the digest, read as a big-endian number, over 2^64.

    Args:
        sha256: uint8, N x 32.

    Returns:
        float64, N. Rows below `holdout` are test rows under the hash split, whatever else the data holds.
    """
    first_8 = np.ascontiguousarray(sha256[:, :8]).view(">u8").reshape(-1)
    return first_8.astype(np.float64) / 2.0**64
