"""Schedules, weight decay and class weights as numbers."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from forebay.contracts.manifest import SplitManifest
from forebay.models import build
from forebay.settings import TrainConfig
from forebay.train.loop.optimize import class_weights, learning_rate, make_optimizer
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import resolve_settings


def test_onecycle_rises_to_its_peak_in_a_fifth_of_the_steps_and_falls_towards_zero() -> None:
    rates = [learning_rate("onecycle", 0.5, step, 100, 0.2) for step in range(100)]
    assert max(rates) == rates[19] == pytest.approx(0.5)
    assert rates[0] == pytest.approx(0.025)
    assert rates[-1] == pytest.approx(0.5 / 80)
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_cosine_falls_from_the_peak_and_constant_stays() -> None:
    assert learning_rate("cosine", 0.2, 0, 10, 0) == pytest.approx(0.2)
    assert learning_rate("cosine", 0.2, 5, 10, 0) == pytest.approx(0.1)
    assert {learning_rate("constant", 0.2, step, 10, 0) for step in range(10)} == {0.2}


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_a_warm_up_rises_to_the_peak_in_its_part_of_the_steps(schedule: str) -> None:
    rates = [learning_rate(schedule, 0.5, step, 100, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert max(rates) == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert (rates[-1] < 0.01) == (schedule != "constant")


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_runs_have_a_positive_rate(total: int) -> None:
    for schedule, warmup in product(("onecycle", "cosine", "constant"), (0, 0.2, 0.9)):
        assert all(0 < learning_rate(schedule, 0.1, step, total, warmup) <= 0.1 for step in range(total))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_only_kernels_and_matrices_decay(dataset: Path, optimizer: str) -> None:
    settings = resolve_settings(TrainConfig(optimizer=optimizer), SplitManifest.read(dataset), inspect_hardware())
    network = build("resnet9", {"width": 4}, 1, 8, 8, 3)
    decayed, plain = make_optimizer(network, replace(settings, weight_decay=0.01)).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    assert {each.ndim for each in decayed["params"]} == {2, 4}
    assert {each.ndim for each in plain["params"]} == {1}
    assert len(decayed["params"]) + len(plain["params"]) == len(list(network.parameters()))


def test_balanced_weights_give_every_class_the_same_mass() -> None:
    weights = class_weights("balanced", [300, 100, 0])
    assert weights is not None
    assert torch.allclose(weights * torch.tensor([300.0, 100.0, 0.0]), torch.tensor([400 / 3, 400 / 3, 0.0]))
    assert class_weights("none", [1, 2]) is None
