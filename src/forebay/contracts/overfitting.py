"""Whether a training over-fitted, from its curves: the rule, the sentence for people, and the settings that help.

Accuracy on the training rows far above that on others says so, where the other rows are enough to tell; so does a
validation loss that has risen for some epochs. Training values are means over an epoch, of images as they were trained
on (augmented, with dropout, mixed), and so mostly too low: what is found here is the least that there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.bundles.spec import HISTORY
from forebay.contracts.wilson import wilson_interval
from forebay.state.files import read_json

CONFIDENCE = 0.95
GAP = 0.10  # train accuracy above the upper end of the other rows' interval
RISE = 0.10  # validation loss above its lowest, as a share of that one,
RISE_EPOCHS = 3  # in each of so many epochs at the end,
RISE_GAP = 0.02  # where train accuracy is this much above the interval: a single hard row moves the loss of few rows
BY_HEART = 0.995  # train accuracy from which more epochs hardly teach anything
BY_HEART_EPOCHS = 3
STRONG_DECAY = 0.005  # ten times the default
FEW_ROWS = 200  # of which an accuracy is known to some 7 points at best

Curves = Sequence[Mapping[str, Any]]  # the records of `history.json`, in order


@dataclass(frozen=True, kw_only=True)
class Overfitting:
    """A training that over-fitted, with the numbers that say so. Accuracies are 0..1."""

    train_accuracy: float
    split: str  # where the other rows are from: validation or held-out
    accuracy: float  # on these rows
    low: float  # interval of it
    high: float
    rows: int
    loss: float | None = None  # validation loss of the delivered epoch; None where it has not risen
    lowest_loss: float | None = None
    lowest_epoch: int | None = None  # counted from 1
    advice: tuple[str, ...] = ()  # what helps, first things first

    @property
    def numbers(self) -> str:
        """What says so."""
        numbers = (
            f"train accuracy {self.train_accuracy:.1%} (mean of the epoch, of images as they were trained on), "
            f"{self.split} accuracy {self.accuracy:.1%} ({self.low:.1%} to {self.high:.1%} by {self.rows:,} rows"
            f"{', which are few' if self.rows < FEW_ROWS else ''})"
        )
        if self.loss is None:
            return numbers
        return f"{numbers}; validation loss {self.loss:.3f}, lowest {self.lowest_loss:.3f} in epoch {self.lowest_epoch}"

    @property
    def text(self) -> str:
        """The sentence for people."""
        return f"The model over-fits: {self.numbers}. What helps, first things first: {'; '.join(self.advice)}."


def read_curves(bundle: Path) -> Curves:
    """The training curves of a bundle; none where it has none, or a file that is no curves."""
    path = bundle / HISTORY
    return usable_curves(read_json(path)) if path.exists() else []


def usable_curves(history: Any) -> Curves:
    """The content of a `history.json`; nothing where it is not as our train step writes it."""
    if not isinstance(history, list) or not all(isinstance(record, dict) for record in history):
        return []
    validation = [record.get(name) for record in history for name in ("validation_loss", "validation_accuracy")]
    known = [record.get(name) for record in history for name in ("epoch", "train_accuracy")]
    if any(value is not None for value in validation):
        known += validation
    return history if all(isinstance(value, int | float) for value in known) else []


def first_network(curves: Curves) -> Curves:
    """The curves of one network: of an ensemble those of its first member."""
    return [record for record in curves if record.get("member") == curves[0].get("member")]


def train_accuracy(curves: Curves, training: Mapping[str, Any]) -> float | None:
    """That of the delivered epoch; None without curves."""
    return float(_delivered(curves, training)["train_accuracy"]) if curves else None


def find_overfitting(curves: Curves, training: Mapping[str, Any], rows: int) -> Overfitting | None:
    """What the validation rows say of a training; None where it does not over-fit, or nothing can tell.

    Args:
        curves: one record per epoch.
        training: the settings as used, which the bundle records.
        rows: number of validation rows.
    """
    if not curves or not rows or curves[-1].get("validation_loss") is None:
        return None
    delivered, lowest = _delivered(curves, training), min(curves, key=lambda record: float(record["validation_loss"]))
    accuracy = float(delivered["validation_accuracy"])
    low, high = wilson_interval(accuracy * rows, rows, CONFIDENCE)
    gap = float(delivered["train_accuracy"]) - high
    limit = float(lowest["validation_loss"]) * (1 + RISE)
    has_risen = all(record["validation_loss"] > limit for record in curves[-RISE_EPOCHS:]) and delivered is curves[-1]
    if gap <= GAP and not (has_risen and gap > RISE_GAP):
        return None
    stop_helps = has_risen and lowest["validation_accuracy"] >= accuracy
    return Overfitting(
        train_accuracy=float(delivered["train_accuracy"]), split="validation", accuracy=accuracy, low=low, high=high,
        rows=rows, advice=_advice(training, stop_helps=stop_helps),
        **_loss_facts(delivered, lowest) if has_risen else {},
    )  # fmt: skip


def find_held_out_gap(curves: Curves, training: Mapping[str, Any], accuracy: float, rows: int) -> Overfitting | None:
    """The same by held-out rows, which tell also where a training had no validation rows.

    Args:
        curves, training: as for `find_overfitting`.
        accuracy: on the held-out rows.
        rows: their number.
    """
    found = train_accuracy(curves, training)
    low, high = wilson_interval(accuracy * rows, rows, CONFIDENCE)
    if found is None or found - high <= GAP:
        return None
    return Overfitting(
        train_accuracy=found, split="held-out", accuracy=accuracy, low=low, high=high, rows=rows,
        advice=_advice(training, stop_helps=False),
    )  # fmt: skip


def knows_by_heart(curves: Curves) -> bool:
    """Whether a training has nothing left to learn from its rows."""
    last = curves[-BY_HEART_EPOCHS:]
    return len(last) == BY_HEART_EPOCHS and all(record["train_accuracy"] >= BY_HEART for record in last)


def _delivered(curves: Curves, training: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of the epoch whose weights are delivered: with early stop the one of the lowest validation loss."""
    if not training.get("early_stop_epochs") or curves[-1].get("validation_loss") is None:
        return curves[-1]
    return min(curves, key=lambda record: float(record["validation_loss"]))


def _loss_facts(delivered: Mapping[str, Any], lowest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "loss": float(delivered["validation_loss"]),
        "lowest_loss": float(lowest["validation_loss"]),
        "lowest_epoch": int(lowest["epoch"]),
    }


def _advice(training: Mapping[str, Any], *, stop_helps: bool) -> tuple[str, ...]:
    """The defences that this training did not have, in the order in which they are worth trying."""
    decay = training.get("weight_decay")  # of a bundle from elsewhere it may be anything
    defences = {
        "train.weights, with a model that has pretrained ones": training.get("weights") == "none",
        "train.recipe=standard, then strong": training.get("recipe") == "small",
        "train.recipe=strong": training.get("recipe") == "standard",
        "train.augment=shift_flip, or shift where a mirrored image means something else": (
            training.get("augment") == "none"
        ),
        "train.dropout=0.5": not training.get("dropout"),
        "train.weight_decay=0.005": isinstance(decay, float) and decay < STRONG_DECAY,
        "train.early_stop_epochs=5": stop_helps and not training.get("early_stop_epochs"),
        "more images": True,
    }
    return tuple(words for words, is_missing in defences.items() if is_missing)
