"""The other trials of a run on a cluster, which are known through MLflow alone.

Where MLflow cannot be asked, no trial is ended early, which costs time and changes no result.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from forebay import tracking
from forebay.state import Home
from forebay.tuning.study import COMPARED_TRIALS, WARM_UP_PERCENT
from forebay.tuning.trial import STUDY_TAG, TRIAL_TAG

CURVE = "trial_loss"  # the loss that trials are compared by; its step is the percentage of the training


@dataclass
class Siblings:
    """What a trial tells the others, and knows of them."""

    home: Home
    study: str
    number: int
    warn: Callable[[str], None]
    _own: dict[int, float] = field(default_factory=dict)
    _is_silent: bool = False  # MLflow failed once

    def is_worse(self, percent: int, loss: float) -> bool:
        """Tell how far this trial is; whether it is worse than the median of the others at this point."""
        self._own[percent] = loss
        if self._is_silent:
            return False
        try:
            others = self._exchange(percent, loss)
        except Exception as error:  # a store or a network may raise anything
            self._is_silent = True
            self.warn(f"MLflow cannot be asked for the other trials ({type(error).__name__}): none is ended early.")
            return False
        if self.number == 0 or percent < WARM_UP_PERCENT or len(others) < COMPARED_TRIALS:
            return False
        return min(self._own.values()) > median(others)

    def _exchange(self, percent: int, loss: float) -> list[float]:
        """Write this trial's loss; the losses of the others at the same percentage."""
        client = tracking.client(self.home)
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.`{STUDY_TAG}` = '{self.study}'", max_results=1000)
        others = []
        for run in runs:
            if run.data.tags.get(TRIAL_TAG) == str(self.number):
                client.log_metric(run.info.run_id, CURVE, loss, step=percent)
            elif CURVE in run.data.metrics:
                others += _at(client.get_metric_history(run.info.run_id, CURVE), percent)
        return others


def _at(points: list[Any], percent: int) -> list[float]:
    return [point.value for point in points if point.step == percent][-1:]
