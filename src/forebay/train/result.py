"""The outcome of a training, and the protocol of an executor that trains on several machines."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forebay.contracts.bundles.spec import ModelSpec
from forebay.settings import TrainConfig
from forebay.state import StepLog


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The outcome of a training."""

    spec: ModelSpec
    metrics: dict[str, float]  # finite: losses, accuracies, epochs, images_per_s


class TrainExecutor(Protocol):
    """Trains on several machines; the train step is given one where `train.nodes` may be above 1."""

    def train(self, dataset: Path, out: Path, config: TrainConfig, log: StepLog) -> TrainResult:
        """As `forebay.train.fit`."""
