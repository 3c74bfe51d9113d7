"""Training and its input: ours against what a plain PyTorch script does, on the same images."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from benchmarks.case import Case, rate
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import SPLITS, DatasetSplit, labels_name, open_split, sha256_name, shard_name
from forebay.models import build, standardize
from forebay.models.torchvision_import import import_torchvision
from forebay.settings import TrainConfig
from forebay.state import seal
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.loop.batches import TrainingBatches
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.training_loop import TrainingLoop
from forebay.train.loop.training_state import TrainingState, initial_state
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import ResolvedSettings, resolve_settings

ROWS = 2048
CLASSES = 10
SIDE = 32
LOADER_EPOCHS = 8  # of ours, whose epoch is too short to time
CALLBACKS = TrainingCallbacks.writing_nothing(should_stop=lambda: False)


@dataclass(frozen=True)
class Prepared:
    """The same images as shards and as a folder of PNG files, in the same order."""

    data: SplitManifest
    train: DatasetSplit
    validation: DatasetSplit
    images: Path
    settings: ResolvedSettings  # the defaults, for one epoch

    @property
    def batches(self) -> TrainingBatches:
        """Our input, as the step makes it."""
        settings = self.settings
        return TrainingBatches(self.train, settings.batch_rows, settings.seed, settings.augmentation, settings.device)


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Training images/s and loader images/s."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = _prepare(Path(folder))
        torch.set_num_threads(prepared.settings.threads)
        yield [*_training(prepared), *_loading(prepared)]


def _training(prepared: Prepared) -> list[Case]:
    group = f"training {prepared.settings.model} (width {prepared.settings.width}) on {SIDE}x{SIDE} colour"
    rows = len(prepared.batches) * prepared.settings.batch_rows

    def check_ours() -> None:
        _check_learns(prepared, lambda: _train_ours(prepared).network)

    def check_plain() -> None:
        _check_learns(prepared, lambda: _train_plain(prepared))

    return [
        Case(group=group, name=f"forebay ({prepared.settings.precision})", unit="images/s", better="higher",
             check=check_ours, measure=rate(rows, lambda: _train_ours(prepared))),
        Case(group=group, name="plain PyTorch fp32 + DataLoader", unit="images/s", better="higher",
             check=check_plain, measure=rate(rows, lambda: _train_plain(prepared))),
    ]  # fmt: skip


def _loading(prepared: Prepared) -> list[Case]:
    group = f"training input, {SIDE}x{SIDE} colour, shifted and mirrored"
    loader = _folder_loader(prepared, augmented=True)
    rows = len(prepared.batches) * prepared.settings.batch_rows
    return [
        Case(group=group, name="forebay shards", unit="images/s", better="higher",
             check=lambda: _check_same_images(prepared),
             measure=rate(LOADER_EPOCHS * rows, lambda: _load_ours(prepared, LOADER_EPOCHS))),
        Case(group=group, name="ImageFolder + DataLoader", unit="images/s", better="higher",
             check=lambda: _check_same_images(prepared),
             measure=rate(len(loader) * prepared.settings.batch_rows, lambda: list(loader))),
    ]  # fmt: skip


def _train_ours(prepared: Prepared) -> TrainingState:
    state = initial_state(prepared.settings, prepared.data, prepared.batches.split)
    TrainingLoop(state, prepared.settings, prepared.data, prepared.batches, prepared.validation).run(CALLBACKS)
    return state


def _train_plain(prepared: Prepared) -> nn.Module:
    """The loop of any tutorial: the same network, rows, batch and optimizer, in eager fp32."""
    settings, data = prepared.settings, prepared.data
    network = build(settings.model, settings.options, data.channels, SIDE, SIDE, CLASSES).train()
    optimizer = torch.optim.SGD(network.parameters(), settings.learning_rate / 3, momentum=0.9, nesterov=True)
    for images, labels in _array_loader(prepared):
        optimizer.zero_grad()
        cross_entropy(network(images), labels, label_smoothing=settings.label_smoothing).backward()
        optimizer.step()
    return network


def _load_ours(prepared: Prepared, epochs: int) -> None:
    batches = prepared.batches
    for epoch in range(epochs):
        order = batches.order(epoch)
        for index in range(len(batches)):
            batch = batches.batch(order[index * batches.batch_rows : (index + 1) * batches.batch_rows])
            standardize(batch.images, prepared.data.mean, prepared.data.std)


class _Rows(Dataset[tuple[Tensor, int]]):
    """Images in memory, transformed one by one."""

    def __init__(self, prepared: Prepared) -> None:
        self.images = prepared.train.images_NHWC()
        self.labels = prepared.train.labels
        self.transform = _transforms(prepared, augmented=True)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[row])), int(self.labels[row])


def _array_loader(prepared: Prepared) -> "DataLoader[tuple[Tensor, int]]":
    return DataLoader(_Rows(prepared), prepared.settings.batch_rows, shuffle=True, drop_last=True)


def _folder_loader(prepared: Prepared, *, augmented: bool) -> "DataLoader[tuple[Tensor, int]]":
    folder = import_torchvision().datasets.ImageFolder(prepared.images, _transforms(prepared, augmented=augmented))
    workers = len(os.sched_getaffinity(0)) if augmented else 0
    return DataLoader(
        folder, prepared.settings.batch_rows, shuffle=augmented, drop_last=augmented, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def _transforms(prepared: Prepared, *, augmented: bool) -> Callable[[Image.Image], Tensor]:
    transforms = import_torchvision().transforms
    random = [transforms.RandomCrop(SIDE, padding=2, padding_mode="reflect"), transforms.RandomHorizontalFlip()]
    fixed = [transforms.ToTensor(), transforms.Normalize(prepared.data.mean, prepared.data.std)]
    return transforms.Compose([*(random if augmented else []), *fixed])  # type: ignore[no-any-return]


def _check_learns(prepared: Prepared, train: Callable[[], nn.Module]) -> None:
    """One epoch brings the training loss below that of guessing."""
    network = train().train()  # batch statistics: one epoch is too short for running ones
    images = torch.from_numpy(prepared.train.images_NHWC(0, 512)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = network(standardize(images, prepared.data.mean, prepared.data.std))
    hits = (logits.argmax(1) == torch.from_numpy(prepared.train.labels[:512])).float().mean()
    assert hits > 3 / CLASSES, f"one epoch of training gives an accuracy of {hits:.2f}"


def _check_same_images(prepared: Prepared) -> None:
    """Without augmentation both ways give the same tensors and labels."""
    theirs = list(_folder_loader(prepared, augmented=False))
    batches = TrainingBatches(prepared.train, ROWS, 0, Augmentation(), "cpu")
    batch = batches.batch(np.arange(ROWS))
    assert torch.equal(torch.cat([batch[1] for batch in theirs]), batch.targets.labels)
    ours = standardize(batch.images, prepared.data.mean, prepared.data.std)
    assert torch.allclose(torch.cat([batch[0] for batch in theirs]), ours, atol=1e-4)


def _prepare(folder: Path) -> Prepared:
    rng = np.random.default_rng(0)
    patterns = rng.uniform(60, 190, (CLASSES, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    labels = np.sort(rng.integers(0, CLASSES, ROWS))  # ImageFolder goes through class after class
    images = (patterns[labels] + rng.normal(0, 30, (ROWS, SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
    data = _manifest(images)
    data.write(folder)
    for split in SPLITS:
        rows = data.splits[split]
        np.save(folder / shard_name(split, 0), images[:rows])
        np.save(folder / labels_name(split), labels[:rows])
        np.save(folder / sha256_name(split), np.zeros((rows, 32), np.uint8))
    seal(folder)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "images" / f"{label}" / f"{row:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    settings = resolve_settings(TrainConfig(epochs="1", batch_rows="256"), data, inspect_hardware())
    train, validation = (open_split(folder, data, split) for split in ("train", "validation"))
    return Prepared(data, train, validation, folder / "images", settings)


def _manifest(images_NHWC: NDArray[np.uint8]) -> SplitManifest:
    scaled = images_NHWC.astype(np.float64) / 255
    splits = {"train": ROWS, "validation": 0, "test": 0}
    return SplitManifest(
        name="patterns", source="generated", kind="folder", data_digest="", digest="",
        classes=[str(index) for index in range(CLASSES)], height=SIDE, width=SIDE, channels=3, rows=ROWS,
        quarantined={}, splits=splits, shards={split: [shard_name(split, 0)] for split in SPLITS},
        train_class_rows=dict.fromkeys(map(str, range(CLASSES)), ROWS // CLASSES),
        mean=scaled.mean((0, 1, 2)).tolist(), std=scaled.std((0, 1, 2)).tolist(),
        split_kind="hash", holdout=0.0, validation=0.0,
    )  # fmt: skip
