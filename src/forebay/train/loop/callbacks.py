"""What the training loop calls on its way."""

from collections.abc import Callable
from dataclasses import dataclass

from forebay.train.loop.history import EpochRecord


@dataclass(frozen=True, kw_only=True)
class TrainingCallbacks:
    """The functions that the loop calls between steps and epochs."""

    on_step: Callable[[int, int], None]  # steps done, total steps
    on_epoch_end: Callable[[EpochRecord], None]
    save_checkpoint: Callable[[], None]
    is_checkpoint_due: Callable[[], bool]
    should_stop: Callable[[], bool]

    @classmethod
    def writing_nothing(cls, should_stop: Callable[[], bool]) -> "TrainingCallbacks":
        """The callbacks of a process that writes nothing."""
        return cls(
            on_step=lambda done, total: None,
            on_epoch_end=lambda record: None,
            save_checkpoint=lambda: None,
            is_checkpoint_due=lambda: False,
            should_stop=should_stop,
        )
