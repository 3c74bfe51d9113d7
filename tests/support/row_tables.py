"""Row tables as ingest writes them, made straight from arrays: for tests of the steps that come after ingest."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import ROW_SCHEMA, ROWS, content_digest, pixel_digest
from forebay.state import empty_folder, seal


def write_table(
    folder: Path,
    images_NHWC: NDArray[np.uint8],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    splits: Sequence[str | None] | None = None,
    parts: int = 1,
    name: str = "shapes",
    sources: Sequence[str] | None = None,
) -> DataManifest:
    """Write a row table and its manifest; rows go to `parts` files in the order given."""
    empty_folder(folder)
    (folder / ROWS).mkdir()
    shape = images_NHWC.shape[1:]
    digests = [pixel_digest(image.tobytes(), *shape).hex() for image in images_NHWC]
    table = pa.table(
        {
            "id": [digest[:16] for digest in digests],
            "pixels": [image.tobytes() for image in images_NHWC],
            "height": [shape[0]] * len(labels),
            "width": [shape[1]] * len(labels),
            "channels": [shape[2]] * len(labels),
            "label": list(labels),
            "label_name": [classes[label] for label in labels],
            "source": list(sources) if sources else [f"{row}.png" for row in range(len(labels))],
            "sha256": digests,
            "split": list(splits) if splits else [None] * len(labels),
        },
        schema=ROW_SCHEMA,
    )
    bounds = np.linspace(0, len(labels), parts + 1).astype(int)
    for part, (start, stop) in enumerate(pairwise(bounds)):
        pq.write_table(table.slice(start, stop - start), folder / ROWS / f"part-{part:05d}.parquet")
    counts = Counter(classes[label] for label in labels)
    manifest = DataManifest(
        name=name, source=f"/data/{name}", kind="folder", fingerprint="f", code_version="0.1.0+test",
        rows=len(labels), classes=list(classes), class_rows={key: counts[key] for key in classes},
        height=shape[0], width=shape[1], channels=shape[2], digest=content_digest(table, shape, classes),
        quarantined={}, sizes={}, splits={}, warnings=[], settings={},
    )  # fmt: skip
    manifest.write(folder)
    seal(folder)
    return manifest


def digits_table(folder: Path, rows: int = 1797) -> DataManifest:
    """The real handwritten digits of scikit-learn, 8x8 grey, scaled from 0..16 to 0..255."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    return write_table(
        folder, images[:rows], data.target[:rows].tolist(), [str(digit) for digit in range(10)], name="digits"
    )
