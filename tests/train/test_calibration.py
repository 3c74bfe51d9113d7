"""A network's temperature: fitted on validation rows, the same after any interruption, and of no say in which class."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from forebay.contracts.bundles.spec_rules import TEMPERATURES
from forebay.contracts.calibration import FEWEST_ROWS
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.evaluate.metrics import log_loss
from forebay.models import load_bundle
from forebay.models.classifier import softmax
from forebay.settings import TrainConfig
from forebay.state import StepLog
from forebay.train import fit
from forebay.train.calibration import fit_temperature
from support.prepared_datasets import write_dataset

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]
SETTINGS = {"model": "mlp", "width": "8", "epochs": "6", "label_smoothing": 0.2}


def rows(true_temperature: float, count: int = 4000, classes: int = 5) -> tuple[Logits, Labels]:
    """Logits, and labels drawn as they say at this temperature."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (count, classes)).astype(np.float32)
    noise = rng.gumbel(size=logits.shape)
    return logits, (logits / true_temperature + noise).argmax(1)


def loss_at(logits: Logits, labels: Labels, temperature: float) -> float:
    return log_loss(labels, softmax(torch.from_numpy(logits), temperature).double().numpy())


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 3.0])
def test_it_is_where_the_log_loss_is_lowest(true_temperature: float) -> None:
    logits, labels = rows(true_temperature)
    found = fit_temperature(logits, labels)
    lowest = minimize_scalar(lambda each: loss_at(logits, labels, each), bounds=TEMPERATURES, method="bounded").x
    assert found == pytest.approx(lowest, rel=0.01)  # the one row that counts besides
    assert found == pytest.approx(true_temperature, rel=0.1)
    assert loss_at(logits, labels, found) <= loss_at(logits, labels, 1.0)
    assert fit_temperature(logits, labels) == found


@pytest.mark.parametrize("count", [50, 500])
def test_rows_that_are_all_right_make_a_model_as_sure_as_their_number_allows(count: int) -> None:
    logits = np.tile(np.float32([2, 0, 0, 0]), (count, 1))
    found = fit_temperature(logits, np.zeros(count, np.int64))
    sure = float(softmax(torch.from_numpy(logits), found)[0, 0])
    assert sure == pytest.approx((count + 1 / 4) / (count + 1), abs=1e-4)


def test_extreme_logits_stay_within_the_bounds_and_no_number_changes_nothing() -> None:
    logits, labels = rows(1.0, 60)
    assert fit_temperature(np.float32(1e30) * logits, labels) == TEMPERATURES[1]
    assert fit_temperature(np.float32(1e-4) * logits, logits.argmax(1)) == TEMPERATURES[0]
    logits[3, 1] = np.nan
    assert fit_temperature(logits, labels) == 1.0


@pytest.mark.parametrize("temperature", [TEMPERATURES[0], 0.6, 1.7, TEMPERATURES[1]])
def test_it_never_changes_the_class(temperature: float) -> None:
    """Of close logits too: thirty apart by one unit in the last place."""
    logits = torch.from_numpy(rows(1.0)[0]) + 20
    logits[:, 1] = torch.nextafter(logits.amax(1), torch.tensor(torch.inf))
    assert torch.equal(softmax(logits, temperature).argmax(1), logits.argmax(1))


def bundle_of(dataset: Path, out: Path, log: StepLog, small: Callable[..., TrainConfig], **changes: object) -> bytes:
    fit(dataset, out, small(**{**SETTINGS, **changes}), log)
    return (out / "model.json").read_bytes()


def test_the_bundle_records_it_and_the_validation_rows_lose_less(
    tmp_path: Path, steplog: StepLog, small: Callable[..., TrainConfig]
) -> None:
    dataset = write_dataset(tmp_path / "data", validation=FEWEST_ROWS)
    first = bundle_of(dataset, tmp_path / "out", steplog, small)
    classifier = load_bundle(tmp_path / "out")
    temperature = classifier.spec.temperature
    assert temperature != 1
    validation = open_split(dataset, SplitManifest.read(dataset), "validation")
    images, labels = validation.images_NHWC(), validation.labels
    logits = classifier.logits(images)
    assert loss_at(logits, labels, temperature) < loss_at(logits, labels, 1.0)
    assert classifier.predict(images).argmax(1).tolist() == logits.argmax(1).tolist()
    assert bundle_of(dataset, tmp_path / "again", steplog, small) == first  # from the checkpoint of the finished one


def test_each_member_of_an_ensemble_has_its_own(
    tmp_path: Path, steplog: StepLog, small: Callable[..., TrainConfig]
) -> None:
    dataset = write_dataset(tmp_path / "data", validation=FEWEST_ROWS)
    fit(dataset, tmp_path / "two", small(**SETTINGS, members=2, seed=1), steplog)
    spec = load_bundle(tmp_path / "two").spec
    alone = [fit(dataset, tmp_path / "one", small(**SETTINGS, seed=seed), steplog).spec.temperature for seed in (1, 2)]
    assert [member["temperature"] for member in spec.members] == alone
    assert alone[0] != alone[1]
    assert spec.temperature == 1


def test_with_few_validation_rows_it_stays_at_1(
    dataset: Path, tmp_path: Path, steplog: StepLog, small: Callable[..., TrainConfig]
) -> None:
    assert fit(dataset, tmp_path / "out", small(**SETTINGS), steplog).spec.temperature == 1
