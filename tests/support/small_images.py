"""Small datasets that tests write: two shapes, drawn with noise, so that a tiny model learns them in a second."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("cross", "ring")


def draw(kind: str, seed: int, height: int = 12, width: int = 12) -> NDArray[np.uint8]:
    """One noisy grey image of a class, H x W."""
    noise = np.random.default_rng([seed, CLASSES.index(kind)]).integers(0, 60, (height, width))
    rows, columns = np.mgrid[0:height, 0:width]
    if kind == "cross":
        shape = (np.abs(rows - height // 2) < 2) | (np.abs(columns - width // 2) < 2)
    else:
        radius = np.hypot(rows - height / 2 + 0.5, columns - width / 2 + 0.5)
        shape = np.abs(radius - min(height, width) / 3) < 1.5
    return np.where(shape, 255 - noise, noise).astype(np.uint8)


def write_folder(root: Path, per_class: int = 60) -> None:
    """A folder of PNG files, a sub-folder per class, with a few images of another size."""
    for kind in CLASSES:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            side = 12 if index % 7 else 20
            Image.fromarray(draw(kind, index, side, side)).save(root / kind / f"{index:03d}.png")


def plant_bad_files(root: Path) -> dict[str, int]:
    """Add one of each kind of bad file; returns the quarantine counts they must give."""
    cross, ring = root / "cross", root / "ring"
    good = (cross / "001.png").read_bytes()
    (cross / "truncated.png").write_bytes(good[: len(good) // 2])
    (cross / "empty.png").write_bytes(b"")
    (ring / "text.png").write_text("not an image")
    (cross / "zz-duplicate.png").write_bytes(good)
    both = draw("ring", 9001)
    Image.fromarray(both).save(cross / "zz-two-labels.png")
    Image.fromarray(both).save(ring / "zz-two-labels.png")
    return {"unreadable": 3, "duplicate": 1, "conflicting_labels": 2}


def write_idx(root: Path, rows: int = 160, test_rows: int = 40) -> None:
    """MNIST-format files with the source's own test split."""
    root.mkdir(parents=True, exist_ok=True)
    for prefix, count, first in (("train", rows, 0), ("t10k", test_rows, 10_000)):
        labels = np.arange(count, dtype=np.uint8) % 2
        images = np.stack([draw(CLASSES[label], first + index) for index, label in enumerate(labels)])
        header = struct.pack(">IIII", 0x803, count, *images.shape[1:])
        (root / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
