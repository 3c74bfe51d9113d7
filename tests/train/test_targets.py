"""The loss against mixed labels as numbers, whole and in the parts of several processes."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from forebay.train.loop.targets import Targets, batch_loss

LOGITS = torch.randn(11, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 0, 1])
SHARES = torch.linspace(0, 1, 11)
MIXED = Targets(LABELS, LABELS.roll(1), SHARES)
WEIGHTS = torch.tensor([0.2, 1.0, 3.0, 0.7])


def test_a_mixed_row_has_the_loss_of_its_soft_target() -> None:
    soft = SHARES[:, None] * one_hot(LABELS, 4) + (1 - SHARES)[:, None] * one_hot(LABELS.roll(1), 4)
    for smoothing in (0.0, 0.1):
        expected = cross_entropy(LOGITS, soft, label_smoothing=smoothing)
        assert torch.allclose(batch_loss(LOGITS, MIXED, MIXED, None, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_with_shares_of_one_it_is_the_loss_of_plain_labels(weights: torch.Tensor | None, smoothing: float) -> None:
    plain = Targets(LABELS)
    whole = Targets(LABELS, LABELS.roll(1), torch.ones(11))
    expected = batch_loss(LOGITS, plain, plain, weights, smoothing)
    assert torch.equal(expected, cross_entropy(LOGITS, LABELS, weights, label_smoothing=smoothing))
    assert torch.allclose(batch_loss(LOGITS, whole, whole, weights, smoothing), expected)


def test_class_weights_count_each_label_of_a_mixed_row_by_its_share() -> None:
    targets = Targets(torch.tensor([0]), torch.tensor([2]), torch.tensor([0.25]))
    log_p = LOGITS[:1].log_softmax(1)[0]
    expected = -(0.25 * 0.2 * log_p[0] + 0.75 * 3.0 * log_p[2]) / (0.25 * 0.2 + 0.75 * 3.0)
    assert torch.allclose(batch_loss(LOGITS[:1], targets, targets, WEIGHTS, 0.0), expected)


@pytest.mark.parametrize("targets", [Targets(LABELS), MIXED])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_parts_of_two_processes_add_up_to_the_whole(targets: Targets, weights: torch.Tensor | None) -> None:
    whole = batch_loss(LOGITS, targets, targets, weights, 0.1)
    parts = [
        batch_loss(LOGITS[rows], targets.part(rows, "cpu"), targets, weights, 0.1)
        for rows in (slice(0, 5), slice(5, 11))
    ]
    assert torch.allclose(sum(parts, torch.zeros(())), whole)


def test_a_hit_is_the_class_of_the_larger_share() -> None:
    assert Targets(torch.tensor([1, 1]), torch.tensor([2, 2]), torch.tensor([0.6, 0.4])).main_labels.tolist() == [1, 2]
    assert Targets(torch.tensor([1, 3])).main_labels.tolist() == [1, 3]
