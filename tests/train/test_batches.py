"""Batches: every row once an epoch, changed only as asked, and the same again for the same step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.shift import shift
from forebay.train.loop.batches import TrainingBatches, derive_seed, gather_rows


@pytest.fixture
def split(dataset: Path) -> DatasetSplit:
    """Training rows in two shards."""
    return open_split(dataset, SplitManifest.read(dataset), "train")


def test_rows_come_out_of_several_shards_in_the_order_asked_for(split: DatasetSplit) -> None:
    rows = np.array([319, 0, 200, 199, 5])
    whole = split.images_NHWC()
    assert len(split.shards) == 2
    assert np.array_equal(gather_rows(split, rows), whole[rows])


def test_an_epoch_visits_every_row_once_and_the_next_one_in_another_order(split: DatasetSplit) -> None:
    batches = TrainingBatches(split, 32, seed=0, augmentation=Augmentation(), device="cpu")
    first, second = batches.order(0), batches.order(1)
    assert sorted(first) == list(range(320))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, batches.order(0))
    assert len(batches) == 10


def test_without_augmentation_images_and_labels_are_those_of_the_rows(split: DatasetSplit) -> None:
    rows = np.array([3, 250])
    batch = TrainingBatches(split, 2, seed=0, augmentation=Augmentation(), device="cpu").batch(rows)
    images, labels = batch.images, batch.targets.labels
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), split.images_NHWC()[rows])
    assert labels.tolist() == split.labels[rows].tolist()
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_a_shift_moves_each_image_by_its_own_offset_and_mirrors_the_border() -> None:
    image = torch.arange(28 * 28 * 3).view(1, 28, 28, 3).remainder(251).to(torch.uint8)
    torch.manual_seed(0)
    shifted = shift(image.repeat(64, 1, 1, 1), "shift", BatchRandom(64, slice(None)))
    padded = np.pad(image[0].numpy(), ((3, 3), (3, 3), (0, 0)), mode="reflect")
    windows = {padded[y : y + 28, x : x + 28].tobytes() for y in range(7) for x in range(7)}
    found = {image.numpy().tobytes() for image in shifted}
    assert found <= windows
    assert len(found) > 15


def test_a_flip_mirrors_about_half_of_the_images_left_to_right() -> None:
    image = torch.zeros(1, 28, 28, 1, dtype=torch.uint8)
    image[:, :, :10] = 200
    torch.manual_seed(0)
    flipped = shift(image.repeat(400, 1, 1, 1), "shift_flip", BatchRandom(400, slice(None)))[:, 14, 20, 0] == 200
    assert 160 < int(flipped.sum()) < 240


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 30, 3), (2, 3, 1), (8, 8, 3)])
def test_any_size_can_be_shifted(size: tuple[int, int, int]) -> None:
    images = torch.randint(0, 255, (5, *size), dtype=torch.uint8)
    assert shift(images, "shift_flip", BatchRandom(5, slice(None))).shape == images.shape


def test_seeds_of_different_purposes_and_moments_differ() -> None:
    seeds = {derive_seed(seed, purpose, index) for seed in (0, 1) for purpose in ("order", "step") for index in (0, 1)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
