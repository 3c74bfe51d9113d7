"""One trial: a training like any other, looked at epoch by epoch, and scored on the validation rows."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.overfitting import read_curves
from forebay.contracts.shards import open_split
from forebay.errors import ConfigError, ModelError, TrainError, UserCodeError
from forebay.settings import TrainConfig, step_config
from forebay.settings.keys import Scalar
from forebay.state import Home, StepLog
from forebay.text import one_line
from forebay.train import fit
from forebay.train.observer import ObservedEpoch, ObserverInterrupt, TrainingObserver
from forebay.train.process_group import SINGLE_PROCESS
from forebay.train.result import TrainResult
from forebay.train.step import plan_trainings
from forebay.tuning.objective import Score, score
from forebay.tuning.study import Trial
from forebay.version import code_version

SMALLEST_PROBABILITY = 1e-30  # float32 has smaller ones, which have no exact logarithm
STUDY_TAG, TRIAL_TAG, STATE_TAG = "forebay.study", "forebay.trial", "forebay.trial_state"


@dataclass(frozen=True, kw_only=True)
class TrialRunner:
    """Runs the trials of a study, one after the other, in this process."""

    home: Home
    shards: Path  # output folder of preprocess
    base: Mapping[str, Scalar]  # settings of every trial, by key
    events: Path
    deadline: float  # of time.monotonic(): the training in progress ends then
    mlflow_tags: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False  # forget checkpoints
    said: set[str] = field(default_factory=set)  # warnings of earlier trials

    def run(self, trial: Trial) -> bool:
        """Run a trial; False where the time ended it, and it goes on in the next search.

        Raises:
            SystemExit: a signal ended it; it goes on in the next search.
            TrainError, ModelError, UserCodeError: the default settings cannot be trained with.
        """
        log = TrialLog(
            name=f"trial {trial.number}",
            run_id="",
            home=self.home,
            events=self.events,
            fresh=self.fresh,
            said=self.said,
        )
        log.emit("started")
        start = time.monotonic()
        try:
            state = self._run(trial, log)
        except BaseException as error:
            log.emit("failed", seconds=0.0, error=one_line(str(error)), error_type=type(error).__name__, permanent=True)
            raise
        if state is None:
            trial.give_back()
            return False
        log.emit("finished", seconds=round(time.monotonic() - start, 3), text=describe(trial.facts, state))
        return True

    def _run(self, trial: Trial, log: StepLog) -> str | None:
        """The state in which the trial ended; None where the time ended it."""
        watch = _Watch(trial, self.deadline)
        bundle = trial.study.folder / "bundle"
        try:
            config = trial_config(self.base, trial.settings)
            self._note_checkpoint(trial, config)
            tags = {**self.mlflow_tags, TRIAL_TAG: str(trial.number)}
            observer = TrainingObserver(on_epoch=watch.on_epoch, should_end=watch.should_end, mlflow_tags=tags)
            result = self._fit(trial, bundle, config, log, observer)
        except ObserverInterrupt:
            if not watch.is_worse:
                return None
            trial.prune()
            return "pruned"
        except (ConfigError, ModelError, TrainError, UserCodeError) as error:
            if trial.number == 0:
                raise
            trial.fail(str(error))
            return "failed"
        trial.remember(training_s=sum(record["seconds"] for record in read_curves(bundle)))
        self._complete(trial, result, score_bundle(bundle, self.shards))
        shutil.rmtree(bundle)
        return "complete"

    def _fit(
        self, trial: Trial, bundle: Path, config: TrainConfig, log: StepLog, observer: TrainingObserver
    ) -> TrainResult:
        """Train, and count the seconds that the trial took over all its starts."""
        start, before = time.monotonic(), float(trial.facts.get("seconds", 0.0))
        try:
            return fit(self.shards, bundle, config, log, observer=observer)
        finally:
            trial.remember(seconds=round(before + time.monotonic() - start, 1))

    def _complete(self, trial: Trial, result: TrainResult, scored: Score) -> None:
        trial.remember(
            loss=scored.loss,
            accuracy=scored.accuracy,
            epochs=int(result.metrics["epochs"]),
            mlflow_run_id=result.spec.lineage.get("mlflow_run_id"),
        )
        trial.complete(scored.loss, scored.losses)

    def _note_checkpoint(self, trial: Trial, config: TrainConfig) -> None:
        """Remember the folder of the training's checkpoints, unless another run's were there before."""
        if "checkpoint" in trial.facts:
            return
        [plan] = plan_trainings(self.shards, config, SINGLE_PROCESS, self.home, lambda text: None)
        was_there = (self.home.checkpoints / plan.key).exists()
        trial.remember(checkpoint="" if was_there else plan.key)


class _Watch:
    """Looks at a training on behalf of its trial."""

    def __init__(self, trial: Trial, deadline: float) -> None:
        self._trial = trial
        self._deadline = deadline
        self.is_worse = False

    def on_epoch(self, epoch: ObservedEpoch) -> None:
        scored = score(epoch.logits, epoch.labels)
        done = epoch.record.epoch
        self._trial.remember(epochs=done, loss=scored.loss, accuracy=scored.accuracy)
        # In percent, so that trainings of different lengths are compared at the same point of their schedule.
        worse = self._trial.report(100 * done // epoch.epochs, scored.loss)
        self.is_worse = worse and done < epoch.epochs

    def should_end(self) -> bool:
        return self.is_worse or time.monotonic() >= self._deadline


@dataclass
class TrialLog(StepLog):
    """The log of a trial: no line for an epoch, and each warning once, because every trial would give it."""

    said: set[str] = field(default_factory=set)

    def epoch(self, epoch: int, epochs: int, measures: Mapping[str, float | None], *, is_last: bool) -> None:
        """Say nothing: there are too many."""

    def warn(self, text: str) -> None:
        """Warn, unless another trial did."""
        if text not in self.said:
            self.said.add(text)
            super().warn(text)


def trial_config(base: Mapping[str, Scalar], settings: Mapping[str, Any]) -> TrainConfig:
    """The settings of the train step for one trial."""
    return step_config(TrainConfig, {**base, **settings}, code_version=code_version())


def score_bundle(bundle: Path, shards: Path) -> Score:
    """Score a bundle on the validation rows; the test rows are not opened."""
    from forebay.models import load_bundle

    validation = open_split(shards, SplitManifest.read(shards), "validation")
    probabilities = load_bundle(bundle).predict(validation.images_NHWC())
    return score(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)), validation.labels)


def describe(facts: Mapping[str, Any], state: str) -> str:
    """What a person reads of a trial that is over."""
    if state == "failed":
        return f"cannot be trained with: {facts['error']}"
    return f"loss {facts['loss']:.4f}, accuracy {facts['accuracy']:.2%} after {facts['epochs']} epochs" + (
        ", pruned" if state == "pruned" else ""
    )
