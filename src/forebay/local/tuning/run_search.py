"""A search from the command line's side: it prepares the data once, and runs trials while the state folder is held."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forebay.backend.protocol import ShowEvent
from forebay.errors import ConfigError, EndedBySignalError, ExitCode
from forebay.local.runs.prepare import prepare_shards
from forebay.local.runs.run import run_parameters
from forebay.local.runs.steps import shown_events
from forebay.local.tuning.interruption import interrupted_search
from forebay.settings import TrainConfig, all_settings, parameter_name, step_config
from forebay.settings.cluster_only import check_local_settings
from forebay.settings.keys import Scalar
from forebay.signals import before_forced_exit, exit_status
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from forebay.state.file_modes import private_files
from forebay.tuning.result import SearchResult
from forebay.tuning.search import Search, SearchRequest
from forebay.tuning.space import SearchSpace
from forebay.tuning.study import require_optuna


@dataclass(frozen=True, kw_only=True)
class TuneRequest:
    """What a search is asked to do."""

    settings: Mapping[str, Scalar] = field(default_factory=dict)  # by key, only those that differ from the defaults
    space: SearchSpace | None = None  # None: one that suits the data
    trials: int = 20
    minutes: float = 30.0
    fresh: bool = False  # forget the study, cached results and checkpoints
    wait: bool = False  # until another run has released the state folder


def check_request(request: TuneRequest) -> None:
    """Check what needs no data.

    Raises:
        ConfigError: no search can be made so.
        MachineError: Optuna is not installed.
    """
    check_local_settings(request.settings)
    config = step_config(
        TrainConfig, {key: value for key, value in request.settings.items() if key.startswith("train.")}
    )
    if config.ensemble or config.members > 1:
        name = "train.ensemble" if config.ensemble else "train.members"
        raise ConfigError(
            f"{name} makes one model of several networks, and a trial trains one. Search without it, then give "
            f"`forebay run` the settings that were found, and {name}."
        )
    if config.gpus != "0":
        raise ConfigError(
            f"train.gpus={config.gpus} asks for GPUs of a container or pod, and trials run in this process, which "
            "takes the first GPU that it sees. Leave train.gpus=0."
        )
    if request.trials < 1 or not request.minutes > 0:
        given = f"--trials={request.trials}" if request.trials < 1 else f"--minutes={request.minutes:g}"
        raise ConfigError(f"{given}: a search needs at least one trial and some time.")
    require_optuna()


def run_search(home: Home, request: TuneRequest, show: ShowEvent) -> SearchResult:
    """Search while the state folder is held; an earlier search of the same data, settings and space is gone on with.

    Args:
        home: the state folder, open.
        show: called with every event, also from another thread.

    Raises:
        LockHeldError: another run holds the state folder.
        StepFailedError: ingest or preprocess failed.
        ConfigError, TrainError, ModelError, UserCodeError: no search can be made, or none of its trials ended.
        EndedBySignalError: Ctrl-C, or a signal that ends like it.
    """
    ours = f"`forebay tune` started {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def show_waiting(holder: str) -> None:
        show({"kind": "waiting", "text": f"Waiting until {home.root} is free: held by {holder}."})

    with home.lock.held(ours, wait=request.wait, waiting=show_waiting), private_files():
        return _Session(home, request, show).run()


class _Session:
    """One search, and what is known of it when a signal ends it."""

    def __init__(self, home: Home, request: TuneRequest, show: ShowEvent) -> None:
        self._home = home
        self._request = request
        self._show = show
        self._preparation = home.tuning / "preparation"
        self._search: Search | None = None
        self._events = self._preparation / "events.jsonl"

    def run(self) -> SearchResult:
        with self._explained_signals():
            parameters = run_parameters(self._home, self._request.settings, "process")
            shards = prepare_shards(self._home, self._preparation, parameters, self._show, fresh=self._request.fresh)
            search = Search.plan(self._home, self._search_request(parameters, shards))
            self._search = search
            self._events = search.begin(fresh=self._request.fresh) / "events.jsonl"
            self._events.unlink(missing_ok=True)
            log = StepLog(name="search", run_id="", home=self._home, events=self._events)
            with shown_events(self._events, self._show):
                return search.run(log)

    def _search_request(self, parameters: Mapping[str, Scalar], shards: Path) -> SearchRequest:
        keys = [setting.key for setting in all_settings() if setting.key.startswith("train.")]
        base = {key: parameters[parameter_name(key)] for key in keys if parameter_name(key) in parameters}
        return SearchRequest(
            shards=shards,
            base=base,
            given=frozenset(self._request.settings),
            space=self._request.space,
            trials=self._request.trials,
            minutes=self._request.minutes,
            seed=int(base.get("train.seed", TrainConfig.seed)),
            fresh=self._request.fresh,
        )

    @contextlib.contextmanager
    def _explained_signals(self) -> Iterator[None]:
        with before_forced_exit(lambda status, _: self._interrupted(ExitCode(status))):
            try:
                yield
            except (KeyboardInterrupt, SystemExit) as error:
                status = exit_status(error)
                if status is None:
                    raise
                raise self._interrupted(status) from error

    def _interrupted(self, status: ExitCode) -> EndedBySignalError:
        events, _ = read_events(self._events)
        ended = self._search.count_ended() if self._search else 0
        return interrupted_search(events, self._search is not None, ended, status)
