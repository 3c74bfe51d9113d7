"""Small colour images for the notebooks, without a download.

Shapes: images are uint8 (N, 32, 32, 3); labels are int64 (N,), positions in the list of class names.
"""

import io
import os
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

SIDE = 32  # pixels
TAR = "FOREBAY_CIFAR10_TAR"  # CIFAR-10's training images as JPEGs, a folder per class
SHAPES = ["circle", "cross", "frame", "triangle"]
CLASSES = len(SHAPES)


@dataclass(frozen=True)
class Images:
    """Labelled images and where they come from."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: list[str]
    source: str

    def save(self, folder: Path) -> Path:
        """Write a PNG per image into a folder per class, which `forebay.run(folder)` reads."""
        for number, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
            path = folder / self.classes[label] / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        return folder


def colour_images(rows: int) -> Images:
    """So many images of four classes, equally many of each, in a fixed random order.

    They are CIFAR-10's airplanes, automobiles, birds and cats where FOREBAY_CIFAR10_TAR names its tar (20 000 at most),
    else shapes drawn on pieces of two photos.
    """
    tar = os.environ.get(TAR)
    return _from_tar(Path(tar), rows) if tar else _drawn(rows)


def _from_tar(path: Path, rows: int) -> Images:
    """The first images of the first class folders in the tar."""
    found: dict[str, list[bytes]] = defaultdict(list)
    with tarfile.open(path) as tar:
        for member in tar:
            name = PurePosixPath(member.name).parent.name
            file = tar.extractfile(member)
            if file is None or len(found[name]) == rows // CLASSES:
                continue
            found[name].append(file.read())
            if len(found) > CLASSES:
                break
    classes = sorted(list(found)[:CLASSES])
    files = [(file, label) for label, name in enumerate(classes) for file in found[name]]
    pixels = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file, _ in files]
    return _shuffled(pixels, [label for _, label in files], classes, "CIFAR-10")


def _drawn(rows: int) -> Images:
    """Shapes of any colour, size and place, on pieces of the two photos that scikit-learn ships."""
    random = np.random.default_rng(0)
    photos = load_sample_images().images
    labels = [row % CLASSES for row in range(rows)]
    pixels = [_draw(SHAPES[label], photos[random.integers(2)], random) for label in labels]
    return _shuffled(pixels, labels, SHAPES, "shapes drawn on pieces of photos")


def _draw(shape: str, photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    top, left = random.integers(photo.shape[0] - SIDE), random.integers(photo.shape[1] - SIDE)
    image = photo[top : top + SIDE, left : left + SIDE].copy()
    radius = random.uniform(8, 13)
    middle = random.uniform(radius, SIDE - radius, 2)
    mask = _mask(shape, radius, middle)
    image[mask] = (0.2 * image[mask] + 0.8 * random.integers(0, 256, 3)).astype(np.uint8)
    return image


def _mask(shape: str, radius: float, middle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pixels belong to the shape."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5 - middle[:, None, None]) / radius
    distance, side = np.hypot(x, y), np.maximum(abs(x), abs(y))
    masks = {
        "circle": distance < 1,
        "cross": (np.minimum(abs(x), abs(y)) < 0.3) & (side < 1),
        "frame": (side < 0.9) & (side > 0.5),
        "triangle": (y < 0.8) & (abs(x) < (y + 1) * 0.55),
    }
    return masks[shape]


def _shuffled(pixels: list[NDArray[np.uint8]], labels: list[int], classes: list[str], source: str) -> Images:
    order = np.random.default_rng(0).permutation(len(labels))
    return Images(np.stack(pixels)[order], np.asarray(labels, np.int64)[order], classes, source)
