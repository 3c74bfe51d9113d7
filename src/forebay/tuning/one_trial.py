"""A trial in a pod of its own, and the choice between what such pods made."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from forebay.contracts.manifest import SplitManifest
from forebay.errors import ConfigError, DataError, ModelError, TrainError, UserCodeError
from forebay.settings import TrainConfig
from forebay.settings.keys import Scalar
from forebay.state import StepLog, empty_folder, read_json, write_json
from forebay.train import fit
from forebay.train.observer import ObservedEpoch, ObserverInterrupt, TrainingObserver
from forebay.train.process_group import SINGLE_PROCESS
from forebay.train.step import plan_trainings
from forebay.tuning.default_space import default_space
from forebay.tuning.draw import draw_settings
from forebay.tuning.objective import score
from forebay.tuning.siblings import Siblings
from forebay.tuning.space import SearchSpace, make_space
from forebay.tuning.study import COMPLETE, FAILED, PRUNED
from forebay.tuning.trial import STUDY_TAG, TRIAL_TAG, score_bundle, trial_config

TRIAL, BUNDLE = "trial.json", "bundle"  # in the output folder of a trial


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """Which trial of which study."""

    number: int  # 0 has the default settings
    study: str  # the same for all trials of a run
    space: str  # YAML or JSON; empty for the default space

    @classmethod
    def parse(cls, number: str, study: str, space: str) -> "TrialRequest":
        """As a pipeline passes it on.

        Raises:
            ConfigError: the number is none.
        """
        if not number.isdecimal():
            raise ConfigError(f'tune_trials must list whole numbers as text, such as ["0", "1"], got {number!r}')
        return cls(number=int(number), study=study, space=space)


def run_one_trial(shards: Path, out: Path, config: TrainConfig, request: TrialRequest, log: StepLog) -> dict[str, Any]:
    """Train with the settings of one trial.

    Args:
        shards: output folder of preprocess.
        out: is emptied; receives `trial.json`, and where the training ended `bundle/`.
        config: the settings that all trials share.

    Returns:
        What `trial.json` holds: number, state, settings, loss, accuracy, rows.

    Raises:
        ConfigError, TrainError, ModelError, UserCodeError: the default settings cannot be trained with.
        SystemExit: SIGTERM or SIGINT arrived; a checkpoint is written.
    """
    empty_folder(out)
    base = _given(config)
    settings = draw_settings(_space(shards, config, base, request, log), config.seed, request.number)
    facts: dict[str, Any] = {"number": request.number, "settings": dict(settings)}
    try:
        facts |= _train(shards, out, base, settings, request, log)
    except (ConfigError, ModelError, TrainError, UserCodeError) as error:
        if request.number == 0:
            raise
        facts |= {"state": FAILED, "error": str(error)}
    write_json(out / TRIAL, facts)
    return facts


def trial_metrics(facts: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a trial for its step's metrics; one that did not end has its number alone."""
    return {name: facts[name] for name in ("number", "loss", "accuracy", "rows") if name in facts}


def choose_trial(trials: Iterable[str | Path], out: Path, log: StepLog) -> dict[str, Any]:
    """Copy the bundle of the trial with the smallest validation loss.

    Args:
        trials: output folders of `run_one_trial`.
        out: receives the bundle.

    Returns:
        The facts of that trial.

    Raises:
        TrainError: no trial ended.
    """
    found = [(read_json(Path(folder) / TRIAL), Path(folder)) for folder in trials]
    complete = [
        (facts["loss"], facts["number"], facts, folder) for facts, folder in found if facts["state"] == COMPLETE
    ]
    if not complete:
        raise TrainError(f"None of {len(found)} trials ended. Their logs say why.")
    _, _, best, folder = min(complete, key=lambda each: each[:2])
    empty_folder(out)
    shutil.copytree(folder / BUNDLE, out, dirs_exist_ok=True)
    log.result(tuning={"best": best, "trials": [facts for facts, _ in found]})
    return best  # type: ignore[no-any-return]


def _given(config: TrainConfig) -> dict[str, Scalar]:
    """The settings that are not the default ones, by key."""
    named = {each.name: getattr(config, each.name) for each in fields(config) if each.name != "code_version"}
    return {f"train.{name}": value for name, value in named.items() if value != getattr(TrainConfig, name)}


def _space(
    shards: Path, config: TrainConfig, base: dict[str, Scalar], request: TrialRequest, log: StepLog
) -> SearchSpace:
    data = SplitManifest.read(shards)
    if not data.splits["validation"]:
        fix = "Set preprocess.validation=0.1, or give the source a validation part."
        raise DataError(source=str(shards), problem="there are no validation rows to judge trials by", fix=fix)
    if request.space:
        import yaml

        try:
            return make_space(yaml.safe_load(request.space), "tune_space")
        except yaml.YAMLError as error:
            raise ConfigError(f"tune_space is no YAML: {' '.join(str(error).split())}") from error
    [plan] = plan_trainings(shards, config, SINGLE_PROCESS, log.home, log.warn)
    return default_space(plan.settings, data, base)


def _train(
    shards: Path, out: Path, base: dict[str, Scalar], settings: dict[str, Scalar], request: TrialRequest, log: StepLog
) -> dict[str, Any]:
    siblings = Siblings(log.home, request.study, request.number, log.warn)
    ended: list[int] = []

    def on_epoch(epoch: ObservedEpoch) -> None:
        percent = 100 * epoch.record.epoch // epoch.epochs
        if siblings.is_worse(percent, score(epoch.logits, epoch.labels).loss) and percent < 100:
            ended.append(percent)

    tags = {STUDY_TAG: request.study, TRIAL_TAG: str(request.number)}
    observer = TrainingObserver(on_epoch=on_epoch, should_end=lambda: bool(ended), mlflow_tags=tags)
    with contextlib.suppress(ObserverInterrupt):
        fit(shards, out / BUNDLE, trial_config(base, settings), log, observer=observer)
    if ended:
        return {"state": PRUNED, "percent": ended[0]}
    scored = score_bundle(out / BUNDLE, shards)
    return {"state": COMPLETE, "loss": scored.loss, "accuracy": scored.accuracy, "rows": len(scored.losses)}
