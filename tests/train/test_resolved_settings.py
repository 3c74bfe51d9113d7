"""`auto` is resolved from the manifest and the machine's flags alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.contracts.manifest import SplitManifest
from forebay.errors import TrainError
from forebay.settings import TrainConfig
from forebay.train.plan.hardware import HardwareInfo, cpu_flags, usable_cores
from forebay.train.plan.resolved_settings import ResolvedSettings, resolve_settings

PLAIN = HardwareInfo(device="cpu", device_name="x86_64", cpu_flags=("avx2",), cores=2, bf16=False, torch="2.13.0")


def resolved(dataset: Path, *, hardware: HardwareInfo = PLAIN, rows: int = 320, size: tuple[int, int, int] = (8, 8, 1),
             validation: int = 40, **settings: Any) -> ResolvedSettings:  # fmt: skip
    height, width, channels = size
    data = replace(
        SplitManifest.read(dataset), height=height, width=width, channels=channels,
        splits={"train": rows, "validation": validation, "test": 30},
    )  # fmt: skip
    return resolve_settings(TrainConfig(**settings), data, hardware)


def test_digits_get_a_narrow_network_and_no_shifts(dataset: Path) -> None:
    digits = resolved(dataset, rows=1440)
    assert (digits.model, digits.width, digits.batch_rows, digits.epochs) == ("resnet9", 16, 64, 16)
    assert (digits.optimizer, digits.augment) == ("sgd", "none")


def test_small_colour_photos_get_a_wider_network_with_shifts_and_flips(dataset: Path) -> None:
    cifar = resolved(dataset, rows=40_000, size=(32, 32, 3))
    assert (cifar.width, cifar.batch_rows, cifar.epochs, cifar.augment) == (40, 256, 20, "shift_flip")
    assert cifar.learning_rate == 0.4
    assert cifar.options == {"width": 40, "mirror": True, "whiten": True, "dropout": 0.0}


@pytest.mark.parametrize("size", [(28, 28, 1), (12, 12, 3), (224, 224, 3)])
def test_grey_tiny_and_large_images_are_not_whitened(dataset: Path, size: tuple[int, int, int]) -> None:
    assert not resolved(dataset, size=size).options["whiten"]


def test_grey_images_are_shifted_but_never_mirrored(dataset: Path) -> None:
    assert resolved(dataset, size=(28, 28, 1)).augment == "shift"


@pytest.mark.parametrize(("rows", "steps"), [(40, 100), (320, 350), (1_000, 350)])
def test_few_rows_get_more_epochs_but_never_more_than_a_hundred(dataset: Path, rows: int, steps: int) -> None:
    few = resolved(dataset, rows=rows)
    assert steps <= few.epochs * (rows // few.batch_rows)
    assert few.epochs <= 100


def test_a_batch_is_never_larger_than_the_data(dataset: Path) -> None:
    assert resolved(dataset, rows=50, batch_rows="512").batch_rows == 50


def test_every_given_value_wins_over_auto(dataset: Path) -> None:
    given = resolved(dataset, model="mlp", width="9", epochs="3", batch_rows="7", learning_rate="0.5", optimizer="sgd",
                     augment="shift_flip", precision="bf16", threads="5")  # fmt: skip
    assert given.options == {"width": 9, "dropout": 0.0}
    assert (given.epochs, given.batch_rows, given.learning_rate, given.optimizer) == (3, 7, 0.5, "sgd")
    assert (given.augment, given.precision, given.threads) == ("shift_flip", "bf16", 5)


def test_precision_follows_the_flags_and_threads_the_cores(dataset: Path) -> None:
    size = (32, 32, 3)
    assert (resolved(dataset, size=size).precision, resolved(dataset, size=size).threads) == ("fp32", 2)
    faster = resolved(dataset, size=size, hardware=replace(PLAIN, bf16=True, cores=8))
    assert (faster.precision, faster.threads) == ("bf16", 8)


def test_batches_too_small_to_share_are_computed_by_one_thread(dataset: Path) -> None:
    assert resolved(dataset, size=(8, 8, 1), hardware=replace(PLAIN, cores=8)).threads == 1


def test_a_width_for_a_model_that_has_none_is_refused(dataset: Path) -> None:
    with pytest.raises(TrainError, match=r"train\.width is 64, but resnet18 has no such setting"):
        resolved(dataset, model="resnet18", width="64")


def test_early_stop_without_validation_rows_is_refused(dataset: Path) -> None:
    with pytest.raises(TrainError, match=r"Set preprocess\.validation=0\.05 or train\.early_stop_epochs=0"):
        resolved(dataset, validation=0, early_stop_epochs=2)


def test_decisive_flags_are_read_from_cpuinfo() -> None:
    text = "processor\t: 0\nflags\t\t: fpu sse avx2 amx_bf16 avx512_bf16 hypervisor\n\nprocessor\t: 1\nflags\t: fpu\n"
    assert cpu_flags(text) == ("amx_bf16", "avx2", "avx512_bf16")
    assert cpu_flags("") == ()


@pytest.mark.parametrize(
    ("affinity", "cpu_max", "cores"),
    [(64, "200000 100000\n", 2), (64, "150000 100000", 2), (2, "max 100000", 2), (2, "", 2), (4, "10000 100000", 1)],
)
def test_cores_are_those_that_the_process_and_its_control_group_may_use(
    affinity: int, cpu_max: str, cores: int
) -> None:
    assert usable_cores(affinity, cpu_max) == cores
