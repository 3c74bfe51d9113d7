"""Looks at a training while it goes on, for a model that has learned its rows by heart long before the end."""

from collections.abc import Callable

from forebay.contracts.overfitting import find_overfitting, knows_by_heart
from forebay.train.loop.training_state import TrainingState
from forebay.train.plan.training_plan import TrainingPlan

LATEST = 0.75  # of the epochs; later, the end says it soon


class OverfittingWatch:
    """Tells once that the epochs that are left will hardly help; the end of the training tells the final numbers."""

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._is_told = False

    def look(self, state: TrainingState, warn: Callable[[str], None]) -> None:
        """Look at the curves when an epoch has ended."""
        settings, rows = self._plan.settings, self._plan.data.splits["validation"]
        if self._is_told or state.finished or len(state.history) > LATEST * settings.epochs:
            return
        curves, training = state.curves(), {**settings.as_dict(), "early_stop_epochs": 0}
        found = find_overfitting(curves, training, rows) if knows_by_heart(curves) else None
        if found:
            self._is_told = True
            told = (
                f"After epoch {len(curves)} of {settings.epochs} the model knows its training images by heart: "
                f"{found.numbers}. The epochs that are left will hardly help; the end says what does."
            )
            warn(self._plan.member.named(told))
