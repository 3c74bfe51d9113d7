"""Random changes of training images: ours for whole batches against torchvision's transforms, image by image."""

import contextlib
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from benchmarks.case import Case
from forebay.models.torchvision_import import import_torchvision
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.mixing import draw_mix

SHAPES = ((256, 32), (64, 128))  # rows and pixels a side
PASSES = 5


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Images per second of processor time of one thread, of each part."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield [case for shape in SHAPES for case in [*_parts(*shape), *_mixing(*shape)]]
    finally:
        torch.set_num_threads(threads)


def _parts(rows: int, side: int) -> Iterator[Case]:
    import_torchvision()
    v2 = import_module("torchvision.transforms.v2")
    images_NHWC = _images(rows, side)
    pairs: dict[str, tuple[Augmentation, Any]] = {
        "crop": (Augmentation(crop_scale=0.5), v2.RandomResizedCrop(side, (0.5, 1.0), antialias=False)),
        "rotation": (Augmentation(rotation=15), v2.RandomRotation(15, v2.InterpolationMode.BILINEAR)),
        "colour jitter": (Augmentation(color_jitter=0.4), v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        "trivialaugment": (Augmentation(auto_augment="trivialaugment"), v2.TrivialAugmentWide()),
        "randaugment": (Augmentation(auto_augment="randaugment"), v2.RandAugment()),
        "erasing": (Augmentation(erasing=0.5), v2.RandomErasing(0.5)),
    }
    for name, (ours, theirs) in pairs.items():
        group = f"{name}, {rows} images of {side}x{side} colour"
        yield _case(group, "forebay, whole batch", rows, _changed(ours, images_NHWC))
        yield _case(group, "torchvision v2, per image", rows, _per_image(theirs, images_NHWC))


def _mixing(rows: int, side: int) -> Iterator[Case]:
    images = _images(rows, side).permute(0, 3, 1, 2)
    for name, alphas in {"mixup": (0.2, 0.0), "cutmix": (0.0, 1.0)}.items():

        def mix(alphas: tuple[float, float] = alphas) -> Tensor:
            return draw_mix(*alphas, rows, side, side).mix(images, images.roll(1, 0), slice(None))

        yield _case(f"{name}, {rows} images of {side}x{side} colour", "forebay, whole batch", rows, mix)


def _case(group: str, name: str, rows: int, run: Callable[[], Tensor]) -> Case:
    def check() -> None:
        images = run()
        assert len(images) == rows
        assert images.dtype == torch.uint8

    def measure() -> float:
        start = time.process_time()
        for _ in range(PASSES):
            run()
        return PASSES * rows / (time.process_time() - start)

    return Case(group=group, name=name, unit="images/s of CPU", better="higher", check=check, measure=measure)


def _changed(augmentation: Augmentation, images_NHWC: Tensor) -> Callable[[], Tensor]:
    return lambda: augmentation.change(images_NHWC, BatchRandom(len(images_NHWC), slice(None)))


def _per_image(transform: Callable[[Tensor], Tensor], images_NHWC: Tensor) -> Callable[[], Tensor]:
    images = images_NHWC.permute(0, 3, 1, 2).contiguous()
    return lambda: torch.stack([transform(image) for image in images])


def _images(rows: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (rows, side, side, 3), dtype=torch.uint8, generator=generator)
