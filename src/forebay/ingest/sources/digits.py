"""`digits`: the 1 797 real handwritten digits that scikit-learn ships, so a first run needs no network.

The images are grey and 8 x 8; their 17 grey levels 0..16 are scaled to 0..255.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.source_kind import SourceContents, SourceKind
from forebay.settings.ingest import DIGITS

MAX_GREY_LEVEL = 16


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord]:
    from sklearn.datasets import load_digits

    levels_NF, labels_N = load_digits(return_X_y=True)
    pixels = np.rint(levels_NF * (255 / MAX_GREY_LEVEL)).astype(np.uint8)
    path = work / "digits.bin"
    path.write_bytes(pixels.tobytes())
    for row, label in enumerate(labels_N):
        yield ImageRecord(f"digits#{row:04d}", str(label), None, os.fsencode(path), row * 64, 64, 8, 8, 1)


KIND = SourceKind(
    kind=DIGITS, accepts=lambda contents: contents.config.data == DIGITS, index=_index, read=read_byte_ranges
)
