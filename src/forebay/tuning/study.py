"""The study: every trial of a search, in an sqlite file that Optuna keeps. The one module that imports Optuna."""

import hashlib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forebay.errors import DamagedFileError, MachineError
from forebay.settings.keys import Scalar
from forebay.state import write_bytes
from forebay.tuning.space import Choice, Dimension, SearchSpace

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 6  # drawn at random before TPE learns from them
COMPARED_TRIALS = 3  # that ended, before one is compared with their median
WARM_UP_PERCENT = 30  # of a training, in which it is not compared yet: its learning rate is still high
MOST_STARTS = 3  # of one trial: a process that died in it twice may die in it again
LOST = "whether the gain of the search may be chance"
_MOST_DRAWS = 200  # of values that were tried already, before the space counts as exhausted

COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A trial, as it stands in the study."""

    number: int
    state: str  # one of the four above
    settings: Mapping[str, Scalar]  # by key; empty for the default
    loss: float | None  # of the validation rows; None where it did not end
    losses: Mapping[int, float]  # after so many percent of the training
    facts: Mapping[str, Any]  # accuracy, seconds, epochs, error, …

    @property
    def is_default(self) -> bool:
        """Whether it is the training with the settings as they are without a search."""
        return self.number == 0


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        MachineError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise MachineError("`forebay tune` needs Optuna, which is not installed. Give: pip install 'forebay[tune]'")


class Study:
    """The trials of one search, in order; a trial that a killed process left is given out again."""

    def __init__(self, folder: Path, space: SearchSpace, default: Mapping[str, Any], seed: int) -> None:
        """Open the study of a folder, or begin it.

        Args:
            folder: receives `study.db`.
            space: what is searched.
            default: the place of the default settings in the space, as far as it has one.
            seed: of the values that are drawn.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.space = space
        self._default = dict(default)
        self._seed = seed
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'study.db'}",
            study_name="forebay",
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(COMPARED_TRIALS, WARM_UP_PERCENT, n_min_trials=COMPARED_TRIALS),
            load_if_exists=True,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What was remembered of the whole study."""
        return self._study.user_attrs

    def remember(self, **facts: Any) -> None:
        """Remember facts of the whole study."""
        for name, value in facts.items():
            self._study.set_user_attr(name, value)

    def records(self) -> list[TrialRecord]:
        """All trials in order, without those that repeated another one."""
        found = [self._record(trial) for trial in self._study.get_trials(deepcopy=False)]
        return [record for record in found if "repeats" not in record.facts]

    def facts_of(self, number: int) -> Mapping[str, Any]:
        """What was remembered of a trial; empty where there is none of this number yet."""
        return next((record.facts for record in self.records() if record.number == number), {})

    def ended(self) -> list[TrialRecord]:
        """The trials that are over."""
        return [record for record in self.records() if record.state != RUNNING]

    def next_trial(self, left_out: Collection[str] = ()) -> "Trial | None":
        """The trial that a killed process left, or a new one; None where every combination was tried.

        Args:
            left_out: keys of the space that stay as they are in a new trial.
        """
        import optuna

        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        for left in running:
            known = optuna.trial.Trial(self._study, left._trial_id)
            trial = Trial(self, known, left.number, set(left_out).difference(left.params))
            if trial.begin():
                return trial
        return self._new_trial(left_out)

    def is_exhausted(self) -> bool:
        """Whether every combination of values was tried."""
        beside = 0 if len(self._default) == len(self.space.dimensions) else 1  # the default is none of them
        return bool(self.space.combinations) and len(self.ended()) >= (self.space.combinations or 0) + beside

    def _new_trial(self, left_out: Collection[str]) -> "Trial | None":
        for _ in range(_MOST_DRAWS):
            if self.is_exhausted():
                return None
            self._study.sampler = self._sampler(len(self._study.get_trials(deepcopy=False)))
            if not self._study.get_trials(deepcopy=False):
                self._study.enqueue_trial(self._default)
            asked = self._study.ask()
            trial = Trial(self, asked, asked.number, left_out)
            if not trial.repeats_another() and trial.begin():
                return trial
        return None

    def _sampler(self, number: int) -> "optuna.samplers.BaseSampler":
        """A sampler for one trial. Made anew for each, it draws the same values whether or not a kill came between."""
        import optuna

        digest = hashlib.sha256(f"{self._seed}:{number}".encode()).digest()
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            seed=int.from_bytes(digest[:4], "big"),
        )

    def _record(self, trial: "optuna.trial.FrozenTrial") -> TrialRecord:
        import optuna

        states = {
            optuna.trial.TrialState.COMPLETE: COMPLETE,
            optuna.trial.TrialState.PRUNED: PRUNED,
            optuna.trial.TrialState.FAIL: FAILED,
        }
        state = states.get(trial.state, RUNNING)
        settings = {} if trial.number == 0 else self.space.settings(trial.params)
        return TrialRecord(
            number=trial.number,
            state=state,
            settings=settings,
            loss=trial.value if state == COMPLETE else None,
            losses=trial.intermediate_values,
            facts=trial.user_attrs,
        )


class Trial:
    """A trial in progress."""

    def __init__(self, study: Study, trial: "optuna.trial.Trial", number: int, left_out: Collection[str] = ()) -> None:
        self.study = study
        self.number = number
        self._trial = trial
        drawn = study._default if number == 0 else [key for key in study.space.dimensions if key not in left_out]
        self._drawn = {key: _suggest(trial, key, study.space.dimensions[key]) for key in drawn}
        self.settings: dict[str, Scalar] = {} if number == 0 else study.space.settings(self._drawn)

    def begin(self) -> bool:
        """Count the start; False, and the trial has failed, where processes died in it too often."""
        starts = int(self._trial.user_attrs.get("starts", 0))
        if starts >= MOST_STARTS:
            self.fail(f"the process died in it {starts} times; too little memory is the commonest reason")
            return False
        self.remember(starts=starts + 1)
        return True

    def give_back(self) -> None:
        """Leave the trial for later, without a word against it."""
        self.remember(starts=max(int(self._trial.user_attrs["starts"]) - 1, 0))

    def repeats_another(self) -> bool:
        """Whether its settings were tried before; then it is over."""
        import optuna

        if self.number == 0:
            return False
        for other in self.study.ended():
            before = other.settings if other.number else self.study.space.settings(self.study._default)
            if dict(before) == self.settings:
                self.remember(repeats=other.number)
                self.study._study.tell(self.number, state=optuna.trial.TrialState.FAIL)
                return True
        return False

    @property
    def facts(self) -> dict[str, Any]:
        """What was remembered of the trial."""
        return self._trial.user_attrs

    def remember(self, **facts: Any) -> None:
        """Remember facts."""
        for name, value in facts.items():
            self._trial.set_user_attr(name, value)

    def report(self, percent: int, loss: float) -> bool:
        """Report the loss after so many percent of the training; whether it is worse than the median of the others."""
        if percent not in self.study._study.get_trials(deepcopy=False)[self.number].intermediate_values:
            self._trial.report(loss, percent)
        return self.number != 0 and bool(self._trial.should_prune())

    def complete(self, loss: float, losses: NDArray[np.float64]) -> None:
        """The training ended with this loss; that of each row is kept beside the study."""
        write_losses(losses_path(self.study.folder, self.number), losses)
        self.study._study.tell(self.number, loss)

    def prune(self) -> None:
        """The training was worse than the median of the others, and was ended."""
        import optuna

        self.study._study.tell(self.number, state=optuna.trial.TrialState.PRUNED)

    def fail(self, error: str) -> None:
        """The settings cannot be trained with."""
        import optuna

        self.remember(error=error)
        self.study._study.tell(self.number, state=optuna.trial.TrialState.FAIL)


def losses_path(folder: Path, number: int) -> Path:
    """Where the losses of each validation row of a trial lie."""
    return folder / f"losses-{number:05d}.npy"


def write_losses(path: Path, losses: NDArray[np.float64]) -> None:
    """Write the losses of the validation rows (N,), whole or not at all; numbers alone, never a pickle."""
    file = io.BytesIO()
    np.save(file, losses, allow_pickle=False)
    write_bytes(path, file.getvalue())


def read_losses(path: Path) -> NDArray[np.float64]:
    """Read what `write_losses` wrote; a pickle in its place is refused, not loaded.

    Raises:
        DamagedFileError: the file is gone or holds something else.
    """
    damaged = DamagedFileError(
        path, "it does not hold the losses of rows", lost=LOST, mend="`forebay tune --fresh` begins the study anew."
    )
    try:
        losses = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # numpy's own words would advise to load the pickle all the same
        raise damaged from None
    if not isinstance(losses, np.ndarray) or losses.dtype != np.float64 or losses.ndim != 1:
        raise damaged
    return losses


def _suggest(trial: "optuna.trial.Trial", key: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(key, dimension.values)
    if dimension.whole:
        low, high, step = int(dimension.low), int(dimension.high), int(dimension.step or 1)
        return trial.suggest_int(key, low, high, step=step, log=dimension.log)
    return trial.suggest_float(key, dimension.low, dimension.high, step=dimension.step, log=dimension.log)
