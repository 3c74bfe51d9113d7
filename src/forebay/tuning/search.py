"""The search: trials until their number or the time is reached, and what they found."""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forebay.contracts.holdout import HASH
from forebay.contracts.manifest import SplitManifest
from forebay.errors import ConfigError, DamagedFileError, TrainError
from forebay.settings.keys import Scalar
from forebay.state import Home, StepLog
from forebay.train.plan.resolved_settings import ResolvedSettings
from forebay.train.process_group import SINGLE_PROCESS
from forebay.train.step import plan_trainings
from forebay.tuning.default_space import COSTLY, default_space
from forebay.tuning.objective import mean_difference
from forebay.tuning.parent_run import ParentRun
from forebay.tuning.plot import write_plot
from forebay.tuning.result import BY_SPACE, BY_TIME, BY_TRIALS, SearchResult, ranked
from forebay.tuning.space import SearchSpace
from forebay.tuning.study import Study, TrialRecord, losses_path, read_losses
from forebay.tuning.trial import STATE_TAG, STUDY_TAG, TRIAL_TAG, TrialRunner, trial_config
from forebay.version import code_version

MINUTE_S = 60.0
PRUNED_SHARE = 0.5  # of the time of N whole trainings, a search with N trials takes about so much
FEW_VALIDATION_ROWS = 150


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What is searched."""

    shards: Path  # output folder of preprocess
    base: Mapping[str, Scalar]  # settings of every trial, by key, as a run gets them
    given: frozenset[str]  # keys that a person set; the default space leaves them as they are
    space: SearchSpace | None = None  # None: the default one
    trials: int = 20
    minutes: float = 30.0
    seed: int = 0
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search in a state folder, whose lock is held."""

    home: Home
    request: SearchRequest
    data: SplitManifest
    space: SearchSpace
    default: Mapping[str, Any]  # the place of the default settings in the space
    _said: set[str] = field(default_factory=set)

    @classmethod
    def plan(cls, home: Home, request: SearchRequest) -> "Search":
        """Check what is asked for.

        Raises:
            ConfigError, TrainError, ModelError, UserCodeError: the data, or the default settings, allow no search.
        """
        data = SplitManifest.read(request.shards)
        rows = data.splits["validation"]
        if rows < 1:
            raise ConfigError(
                "The data has no validation rows, by which trials are judged. Set preprocess.validation=0.1"
                + ("." if data.split_kind == HASH else ", or give the source a validation part.")
            )
        config = trial_config(request.base, {})
        [plan] = plan_trainings(request.shards, config, SINGLE_PROCESS, home, lambda text: None)
        space = request.space or default_space(plan.settings, data, request.given)
        if not space.dimensions:
            raise ConfigError("--set gives every setting of the default space, so there is nothing to search.")
        default = _default_place(space, request.base, plan.settings, data)
        return cls(home=home, request=request, data=data, space=space, default=default)

    @property
    def study_id(self) -> str:
        """A digest of all that makes trials comparable: data, code, fixed settings, space and seed."""
        base = {key: value for key, value in self.request.base.items() if key.startswith("train.")}
        parts = {
            "data": self.data.digest,
            "code": code_version(),
            "base": base,
            "space": self.space.as_dict(),
            "seed": self.request.seed,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """The study's folder in the state folder."""
        return self.home.tuning / self.study_id

    def begin(self, *, fresh: bool) -> Path:
        """Make the study's folder, without what an earlier search left there where `fresh` says so; return it."""
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def count_ended(self) -> int:
        """How many trials of the study are over."""
        study = Study(self.folder, self.space, self.default, self.request.seed)
        return len(study.ended())

    def run(self, log: StepLog) -> SearchResult:
        """Run trials until their number or the time is reached.

        Args:
            log: of the search itself; trials write into the same events.

        Raises:
            TrainError: the time was over before one trial ended.
            SystemExit: a signal ended the trial in progress.
        """
        self._warn_of_few_rows(log)
        study = Study(self.folder, self.space, self.default, self.request.seed)
        parent = self._open_parent(study, log)
        try:
            return self._conclude(study, parent, self._run_trials(study, parent, log), log)
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"  # a signal is no Exception
            parent.finish(status, {}, {}, [], {})
            raise

    def _warn_of_few_rows(self, log: StepLog) -> None:
        rows = self.data.splits["validation"]
        if rows < FEW_VALIDATION_ROWS:
            more = "--set preprocess.validation=0.2" if self.data.split_kind == HASH else "a larger validation part"
            log.warn(
                f"Trials are judged by {rows:,} validation rows, and with so few the best one may be the luckiest one. "
                f"Below {FEW_VALIDATION_ROWS}, {more} finds better settings more surely."
            )

    def _open_parent(self, study: Study, log: StepLog) -> ParentRun:
        parameters = {key: str(value) for key, value in self.space.as_dict().items()}
        name, before = f"{self.data.name} study {self.study_id[:8]}", str(study.facts.get("mlflow_run_id", ""))
        parent = ParentRun.open(self.home, before, name, {STUDY_TAG: self.study_id}, parameters, log.warn)
        study.remember(mlflow_run_id=parent.run_id)
        return parent

    def _run_trials(self, study: Study, parent: ParentRun, log: StepLog) -> str:
        deadline = time.monotonic() + self.request.minutes * MINUTE_S
        assert log.events is not None
        runner = TrialRunner(
            home=self.home,
            shards=self.request.shards,
            base=self.request.base,
            events=log.events,
            deadline=deadline,
            mlflow_tags={**parent.child_tags, STUDY_TAG: self.study_id},
            fresh=self.request.fresh,
        )
        while len(study.ended()) < self.request.trials:
            if time.monotonic() >= deadline:
                return BY_TIME
            trial = study.next_trial(self._left_out(study, log))
            if trial is None:
                return BY_SPACE
            if not runner.run(trial):
                return BY_TIME
            self._free_checkpoints(study)
        return BY_TRIALS

    def _left_out(self, study: Study, log: StepLog) -> Collection[str]:
        """The settings that would make trainings longer, where the time is short for trainings as long as trial 0."""
        costly = [key for key in COSTLY if key in self.space.dimensions]
        needed_s = self.request.trials * PRUNED_SHARE * float(study.facts_of(0).get("training_s", 0.0))
        if self.request.space or not costly or needed_s <= self.request.minutes * MINUTE_S:
            return ()
        text = (
            f"{self.request.trials} trainings take about {math.ceil(needed_s / MINUTE_S)} minutes, so "
            f"{' and '.join(costly)}, which make them longer, stay as they are. More --minutes search them too."
        )
        if text not in self._said:
            self._said.add(text)
            log.warn(text)
        return costly

    def _free_checkpoints(self, study: Study) -> None:
        """Remove the checkpoints of trials that are over, but that of the best one, with which the last run begins."""
        ended = study.ended()
        best = ranked(ended)[:1]
        keys = {record.facts.get("checkpoint") for record in ended if record not in best}
        for key in keys - {record.facts.get("checkpoint") for record in best}:
            if key:
                shutil.rmtree(self.home.checkpoints / key, ignore_errors=True)

    def _conclude(self, study: Study, parent: ParentRun, ended_by: str, log: StepLog) -> SearchResult:
        records = study.records()
        order = ranked(records)
        if not order or not order[0].loss == order[0].loss:
            raise TrainError(
                f"No trial ended within --minutes={self.request.minutes:g}: a training with the default settings takes "
                "longer. Give the same command again, which goes on from its checkpoint, with more --minutes."
            )
        best, rows = order[0], self.data.splits["validation"]
        result = SearchResult(
            study=self.study_id,
            records=tuple(records),
            rows=rows,
            gain=self._gain(study, best, log),
            ended_by=ended_by,
            asked=(self.request.trials, self.request.minutes),
            plot=write_plot(records, rows, study.folder),
            mlflow_run_id=parent.run_id,
        )
        metrics = {
            "best_loss": best.loss or 0.0,
            "best_accuracy": best.facts["accuracy"],
            "trials": float(len(records)),
        }
        tags = {"forebay.best_trial": str(best.number)}
        parent.finish("FINISHED", metrics, tags, [result.plot], _child_tags(records, parent))
        return result

    def _gain(self, study: Study, best: TrialRecord, log: StepLog) -> tuple[float, float] | None:
        """The mean difference of the losses to the default's, and its standard error; None where that is not known."""
        try:
            default, own = (read_losses(losses_path(study.folder, number)) for number in (0, best.number))
        except DamagedFileError as error:
            log.warn(str(error))
            return None
        return mean_difference(default, own)


def _default_place(
    space: SearchSpace, base: Mapping[str, Scalar], settings: ResolvedSettings, data: SplitManifest
) -> dict[str, Any]:
    """The values of the default settings in the space, as far as it holds them."""
    resolved = settings.as_dict() | {"input_size": "x".join(map(str, settings.network_size(data)))}
    found = {}
    for key, dimension in space.dimensions.items():
        value = dimension.find(resolved.get(key.removeprefix("train.")), base.get(key, "auto"))
        if value is not None:
            found[key] = value
    return found


def _child_tags(records: list[TrialRecord], parent: ParentRun) -> dict[str, dict[str, str]]:
    """The tags of the trials' runs, also of those that a run of somebody's began before."""
    return {
        str(record.facts["mlflow_run_id"]): {
            **parent.child_tags,
            TRIAL_TAG: str(record.number),
            STATE_TAG: record.state,
        }
        for record in records
        if record.facts.get("mlflow_run_id")
    }
