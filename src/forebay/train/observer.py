"""Somebody who looks at a training epoch by epoch and may end it, such as a search for good settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forebay.train.loop.history import EpochRecord


class ObserverInterrupt(Exception):
    """The observer ended the training before its last epoch; its checkpoint is written."""


@dataclass(frozen=True)
class ObservedEpoch:
    """An epoch, with what the network answered for the validation rows after it."""

    record: EpochRecord
    epochs: int  # of the whole training
    logits: NDArray[np.float32]  # (N, K)
    labels: NDArray[np.int64]  # (N,)


@dataclass(frozen=True, kw_only=True)
class TrainingObserver:
    """Functions that a training calls. Nothing that they do changes its weights."""

    on_epoch: Callable[[ObservedEpoch], None] = lambda epoch: None  # only with validation rows
    should_end: Callable[[], bool] = bool  # asked after every step and epoch: whether to end with a checkpoint
    mlflow_tags: Mapping[str, str] = field(default_factory=dict)  # for the training's run
