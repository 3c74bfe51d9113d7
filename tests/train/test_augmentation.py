"""Each random change as numbers: what it does to pixels, and for whole batches the same as for each image alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from forebay.train.augmentation import auto_augment, color
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.erasing import erase, rectangles
from forebay.train.augmentation.mixing import draw_mix
from forebay.train.augmentation.warp import crop_and_rotate, rotations, warp
from forebay.train.loop.batches import TrainingBatches
from support.prepared_datasets import open_training_rows, write_dataset

ALL_ON = Augmentation(
    augment="shift_flip", crop_scale=0.5, rotation=20, color_jitter=0.4, auto_augment="trivialaugment", erasing=0.5,
    mixup=0.4, cutmix=1.0,
)  # fmt: skip
FULL = auto_augment.Ranges(shear=0.5, translate=0.5, rotate=90, enhance=0.9, posterize=6)


def noise(rows: int, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    """Random pixels, uint8 (N, C, H, W)."""
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (rows, channels, height, width), dtype=torch.uint8, generator=generator)


def all_rows(rows: int) -> BatchRandom:
    return BatchRandom(rows, slice(None))


def largest_difference(one: Tensor, other: Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


@pytest.mark.parametrize(
    ("operation", "theirs"),
    [
        (color.brightness, "adjust_brightness"),
        (color.contrast, "adjust_contrast"),
        (color.saturation, "adjust_saturation"),
        (lambda images, factors: auto_augment.sharpness(images, (factors - 1) / 0.9, FULL), "adjust_sharpness"),
    ],
)
def test_each_row_is_changed_as_torchvision_changes_that_image_by_its_factor(operation: object, theirs: str) -> None:
    images, factors = noise(7), torch.linspace(0.2, 1.8, 7)
    function = getattr(auto_augment.torchvision_functional(), theirs)
    expected = torch.stack([function(image, float(factor)) for image, factor in zip(images, factors, strict=True)])
    assert largest_difference(operation(images, factors), expected) <= 2  # type: ignore[operator]  # they cut fractions off


def test_bits_are_cleared_and_pixels_inverted_as_torchvision_does() -> None:
    images, strengths = noise(7), torch.tensor([0, 1, 0.5, -0.5, -1, 1 / 6, 2 / 3])
    functional = auto_augment.torchvision_functional()
    bits = [8, 2, 5, 5, 2, 7, 4]
    expected = torch.stack([functional.posterize(image, kept) for image, kept in zip(images, bits, strict=True)])
    assert torch.equal(auto_augment.posterize(images, strengths, FULL), expected)
    thresholds = [255, 0, 128, 128, 0, 212, 85]
    inverted = [functional.solarize(image, float(at)) for image, at in zip(images, thresholds, strict=True)]
    assert torch.equal(auto_augment.solarize(images, strengths, FULL), torch.stack(inverted))


def test_a_quarter_turn_moves_every_pixel_as_it_should_in_oblong_images_too() -> None:
    square = noise(2)
    turned = warp(square, rotations(torch.tensor([torch.pi / 2] * 2), 16, 16))
    assert torch.equal(turned, square.rot90(1, (2, 3)))
    oblong = noise(1, height=8, width=16)
    middle = warp(oblong, rotations(torch.tensor([torch.pi / 2]), 8, 16))[:, :, :, 4:12]
    assert torch.equal(middle, oblong[:, :, :, 4:12].rot90(1, (2, 3)))
    assert torch.equal(warp(square, rotations(torch.zeros(2), 16, 16)), square)


def test_a_crop_shows_a_part_of_the_image_larger_and_never_what_is_outside() -> None:
    ramp = torch.arange(64).repeat(1, 1, 64, 1).to(torch.uint8)  # each pixel tells its column
    torch.manual_seed(0)
    crops = crop_and_rotate(ramp.repeat(500, 1, 1, 1), 0.25, 0, all_rows(500))
    first, last = crops[:, 0, 32, 0].float(), crops[:, 0, 32, -1].float()
    widths = (last - first + 1) / 64
    assert float(first.min()) >= 0
    assert float(last.max()) <= 63
    assert 0.43 <= float(widths.min()) < 0.5, "the square root of a quarter, by an aspect ratio of 3/4"
    assert float(widths.max()) == 1
    assert len(first.unique()) > 20


def test_rotation_stays_within_its_degrees() -> None:
    line = torch.zeros(1, 1, 65, 65, dtype=torch.uint8)
    line[:, :, 32, :] = 255
    torch.manual_seed(0)
    turned = crop_and_rotate(line.repeat(300, 1, 1, 1), 1, 30, all_rows(300))
    heights = turned[:, 0, :, 60].float().argmax(1) - 32  # 28 columns right of the centre
    degrees = torch.rad2deg(torch.atan2(heights.float(), torch.tensor(28.0)))
    assert float(degrees.min()) >= -31.5
    assert float(degrees.max()) <= 31.5
    assert float(degrees.min()) < -20
    assert float(degrees.max()) > 20


def test_the_hue_turns_and_the_brightness_stays() -> None:
    images = noise(50) // 4 + 96  # nothing is clamped
    grey = torch.tensor(color.GREY).view(1, 3, 1, 1)
    turned = color.recolor(images, color._tint(torch.ones(50), torch.full((50,), 0.3)), torch.ones(50))
    assert float(((turned * grey).sum(1) - (images * grey).sum(1)).abs().max()) < 1
    assert largest_difference(turned, images) > 5
    assert torch.equal(color.recolor(images, color._tint(torch.ones(50), torch.zeros(50)), torch.ones(50)), images)


def test_grey_images_keep_one_channel_and_change_in_brightness_and_contrast() -> None:
    images = noise(40, channels=1)
    torch.manual_seed(0)
    changed = color.jitter(images, 0.4, all_rows(40))
    assert changed.shape == images.shape
    assert len({float(image.float().mean()) for image in changed}) == 40
    assert torch.equal(color.saturation(images, torch.full((40,), 0.1)), images)


def test_a_grey_colour_image_stays_grey() -> None:
    images = noise(40, channels=1).expand(-1, 3, -1, -1)
    torch.manual_seed(0)
    changed = color.jitter(images, 0.4, all_rows(40)).int()
    assert int((changed - changed[:, :1]).abs().max()) <= 1


def test_erasing_fills_one_rectangle_of_some_images_with_their_mean() -> None:
    images = noise(400, height=32, width=32)
    torch.manual_seed(0)
    erased = erase(images, 0.5, all_rows(400))
    filled = (erased != images).any(1)
    changed = filled.flatten(1).any(1)
    assert 150 < int(changed.sum()) < 250
    means = images.float().mean((2, 3)).round()
    for row in changed.nonzero()[:20, 0]:
        ys, xs = filled[row].nonzero().unbind(1)
        box = erased[row][:, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert torch.equal(box, means[row].to(torch.uint8)[:, None, None].expand_as(box))
        assert 0.01 < box[0].numel() / 1024 < 0.36


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (8, 8), (33, 20)])
def test_rectangles_lie_inside_and_have_the_area_that_they_should(height: int, width: int) -> None:
    sides = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    places = torch.rand(2, 200, generator=torch.Generator().manual_seed(1))
    pixels = rectangles(sides, *places, height, width).flatten(1).sum(1)
    expected = (sides * torch.tensor([height, width])).round().clamp(min=1).prod(1)
    assert torch.equal(pixels.float(), expected)
    assert int(rectangles(torch.zeros(1, 2), *places[:, :1], height, width).sum()) == 0


def test_cutmix_shares_are_those_of_the_pixels_and_mixup_shares_those_of_the_blend() -> None:
    own, before = torch.full((300, 1, 20, 20), 200, dtype=torch.uint8), torch.zeros(300, 1, 20, 20, dtype=torch.uint8)
    torch.manual_seed(0)
    cut = draw_mix(0, 1.0, 300, 20, 20)
    mixed = cut.mix(own, before, slice(None))
    assert torch.allclose((mixed == 200).float().mean((1, 2, 3)), cut.shares)
    assert set(mixed.unique().tolist()) == {0, 200}
    assert 0.4 < float(cut.shares.mean()) < 0.6
    blended = draw_mix(1.0, 0, 300, 20, 20)
    mixed = blended.mix(own, before, slice(None))
    assert torch.allclose(mixed.float().mean((1, 2, 3)) / 200, blended.shares, atol=0.003)
    both = draw_mix(1.0, 1.0, 300, 20, 20)
    is_cut = both.pasted.flatten(1).any(1)
    assert 100 < int(is_cut.sum()) < 200
    assert torch.equal(both.blend[is_cut], torch.ones(int(is_cut.sum())))


def test_a_small_alpha_leaves_most_images_nearly_whole() -> None:
    torch.manual_seed(0)
    shares = draw_mix(0.1, 0, 1000, 4, 4).shares
    assert float(torch.minimum(shares, 1 - shares).median()) < 0.01


@pytest.mark.parametrize("kind", ["trivialaugment", "randaugment"])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 30, 3), (2, 3, 1), (8, 8, 3), (28, 28, 1)])
def test_any_size_can_be_changed_in_every_way(kind: str, size: tuple[int, int, int]) -> None:
    images = torch.randint(0, 255, (60, *size), dtype=torch.uint8)
    changed = Augmentation(**{**vars(ALL_ON), "auto_augment": kind}).change(images, all_rows(60))
    assert changed.shape == (60, size[2], *size[:2])
    assert changed.dtype == torch.uint8
    assert changed.is_contiguous(memory_format=torch.channels_last)


def test_every_operation_of_auto_augment_but_the_identity_changes_a_photo() -> None:
    photo = (torch.arange(24).view(1, 1, -1, 1) * 4 + torch.arange(24) * 3 + noise(1, height=24, width=24) // 8).to(
        torch.uint8
    )
    for operation in auto_augment.OPERATIONS:
        changed = operation(photo, torch.tensor([0.7]), auto_augment.TRIVIAL)
        assert torch.equal(changed, photo) == (operation is auto_augment.identity), operation.__name__


def test_each_image_gets_an_operation_of_its_own() -> None:
    torch.manual_seed(0)
    changed = auto_augment.trivial_augment(noise(1).repeat(300, 1, 1, 1), all_rows(300))
    assert len({image.numpy().tobytes() for image in changed}) > 200


PARTS = {
    "crop_scale": 0.5, "rotation": 20.0, "color_jitter": 0.4, "auto_augment": "trivialaugment", "erasing": 0.5,
    "mixup": 0.4, "cutmix": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("part", [*PARTS, "all"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_row_is_changed_and_mixed_alike_however_many_processes_share_the_batch(
    part: str, channels: int, tmp_path: Path
) -> None:
    augmentation = ALL_ON if part == "all" else Augmentation(**{part: PARTS[part]})
    split = open_training_rows(write_dataset(tmp_path / "data", train=50, validation=0, size=(16, 16, channels)))
    batches = TrainingBatches(split, 13, seed=0, augmentation=augmentation, device="cpu")
    rows = np.arange(20, 33)
    torch.manual_seed(1)
    whole = batches.batch(rows)
    assert not torch.equal(whole.images.permute(0, 2, 3, 1), torch.from_numpy(split.images_NHWC()[rows]))
    for cut in (slice(0, 1), slice(0, 6), slice(6, 13), slice(4, 8)):
        torch.manual_seed(1)
        part_of = batches.batch(rows, cut)
        assert torch.equal(part_of.images, whole.images[cut])
        assert torch.equal(part_of.targets.labels, whole.targets.labels[cut])
        assert torch.equal(part_of.targets.main_labels, whole.targets.main_labels[cut])
        assert torch.equal(part_of.whole.main_labels, whole.targets.main_labels)
