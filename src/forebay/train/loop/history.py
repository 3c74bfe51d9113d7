"""The training curves: one record per epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

CURVES = ("learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "images_per_s")


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One point of the curves. Training values are means over the epoch's augmented batches."""

    epoch: int  # counted from 1
    learning_rate: float  # in the last step
    train_loss: float
    train_accuracy: float
    validation_loss: float | None  # None without a validation split
    validation_accuracy: float | None
    images: int  # trained on by the process that finished the epoch
    seconds: float  # which that took

    @property
    def images_per_s(self) -> float:
        """Training speed."""
        return self.images / max(self.seconds, 1e-9)

    def measures(self) -> dict[str, float | None]:
        """The values of the curves by name; None where there is no validation split."""
        return {name: getattr(self, name) for name in CURVES}


def final_metrics(history: list[EpochRecord], best_epoch: int) -> dict[str, float]:
    """The numbers of the delivered epoch: the best one (counted from 1), or the last one where that is 0."""
    record = history[best_epoch - 1]
    values = {
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "validation_loss": record.validation_loss,
        "validation_accuracy": record.validation_accuracy,
        "epochs": float(len(history)),
        "images_per_s": sum(each.images for each in history) / max(sum(each.seconds for each in history), 1e-9),
    }
    return {name: value for name, value in values.items() if value is not None}


def mean_metrics(members: Sequence[dict[str, float]]) -> dict[str, float]:
    """The numbers of several trainings: `epochs` of all together, and the mean of every other one."""
    means = {name: sum(each[name] for each in members) / len(members) for name in members[0]}
    return {**means, "epochs": sum(each["epochs"] for each in members), "members": float(len(members))}
