"""Prepared datasets for tests, written as preprocess writes them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.rows import pixel_digest
from forebay.contracts.shards import DatasetSplit, labels_name, open_split, sha256_name, shard_name
from forebay.state import seal

SMALL_TRAINING: dict[str, Any] = {
    "model": "resnet9", "width": "4", "epochs": "10", "batch_rows": "32", "dropout": 0.1, "augment": "shift",
    "threads": "1", "code_version": "test",
}  # fmt: skip
"""Settings of a training of ten steps an epoch on the default dataset below."""


def write_dataset(
    folder: Path,
    *,
    train: int = 320,
    validation: int = 40,
    classes: int = 3,
    size: tuple[int, int, int] = (8, 8, 1),
    noise: float = 40.0,
    labels: NDArray[np.int64] | None = None,
    shard_rows: int = 200,
) -> Path:
    """Images of one random pattern per class plus noise; learnable in a few epochs."""
    rng = np.random.default_rng(7)
    patterns = rng.uniform(60, 190, (classes, *size))
    names = [f"class-{index}" for index in range(classes)]
    folder.mkdir(parents=True)
    counts = {"train": train, "validation": validation, "test": 30}
    shards: dict[str, list[str]] = {}
    written: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] = {}
    for split, rows in counts.items():
        wanted = labels if labels is not None and split == "train" else rng.integers(0, classes, rows)
        images = (patterns[wanted] + rng.normal(0, noise, (rows, *size))).clip(0, 255).astype(np.uint8)
        written[split] = (images, wanted)
        shards[split] = _write_split(folder, split, images, wanted, shard_rows)
    images, wanted = written["train"]
    scaled = images.astype(np.float64) / 255
    SplitManifest(
        name="patterns", source="test", kind="folder", data_digest="d" * 64, digest="e" * 64, classes=names,
        height=size[0], width=size[1], channels=size[2], rows=sum(counts.values()), quarantined={}, splits=counts,
        shards=shards, train_class_rows={name: int((wanted == index).sum()) for index, name in enumerate(names)},
        mean=scaled.mean((0, 1, 2)).tolist(), std=scaled.std((0, 1, 2)).tolist(), split_kind="hash",
        holdout=0.1, validation=0.1, fit="letterbox", bits=12,
    ).write(folder)  # fmt: skip
    seal(folder)
    return folder


def open_training_rows(folder: Path) -> DatasetSplit:
    """The training split of such a dataset."""
    return open_split(folder, SplitManifest.read(folder), "train")


def _write_split(
    folder: Path, split: str, images: NDArray[np.uint8], labels: NDArray[np.int64], shard_rows: int
) -> list[str]:
    names = []
    for start in range(0, len(images), shard_rows):
        names.append(shard_name(split, len(names)))
        np.save(folder / names[-1], images[start : start + shard_rows])
    digests = [np.frombuffer(pixel_digest(image.tobytes(), *image.shape), np.uint8) for image in images]
    np.save(folder / sha256_name(split), np.stack(digests) if digests else np.empty((0, 32), np.uint8))
    np.save(folder / labels_name(split), labels.astype(np.int64))
    return names
