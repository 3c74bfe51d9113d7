"""What this machine and a cluster both do, as one Protocol; `forebay.select_backend` decides which of them is used."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from forebay.backend.check import CheckResult
from forebay.backend.summary import Event, Summary
from forebay.deploy.target import DeployTarget
from forebay.ingest.result import IngestExecutor
from forebay.settings.keys import Scalar
from forebay.train.result import TrainExecutor

ShowEvent = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a run is asked to do."""

    settings: Mapping[str, Scalar] = field(default_factory=dict)  # by key, only those that differ from the defaults
    fresh: bool = False  # forget cached results and checkpoints
    wait: bool = False  # until another run has released the state folder


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """The version that a rollback made champion again."""

    name: str
    version: str
    url: str  # where it answers


@dataclass(frozen=True, kw_only=True)
class BackendStatus:
    """The newest run and the served models, for people and for programs."""

    facts: dict[str, Any]  # what `--json` prints
    run: Summary | None = None  # shown as the table that ends a run
    lines: tuple[str, ...] = ()  # what is shown after it
    problems: tuple[str, ...] = ()  # damaged files, each with what mends it


class Backend(DeployTarget, Protocol):
    """Where pipelines run and models are served.

    The deploy step is handed a backend as its target, and ingest and train are handed the backend's executors.
    """

    @property
    def ingest_executor(self) -> IngestExecutor | None:
        """Reads a source where `ingest.executors` is above 0; None where one process has to do."""

    @property
    def train_executor(self) -> TrainExecutor | None:
        """Trains where `train.nodes` is above 1; None where one machine has to do."""

    def run(self, request: RunRequest, show: ShowEvent) -> Summary:
        """Run the compiled pipeline to its end.

        Raises:
            StepFailedError: a step failed.
        """

    def follow(self, run_id: str, show: ShowEvent) -> Summary:
        """Show the events of a run that was started before, up to its end.

        Raises:
            StepFailedError: a step failed.
        """

    def roll_back(self, name: str, show: Callable[[str], None]) -> RolledBack:
        """Serve the previous champion, and make it champion again.

        Raises:
            ConfigError: there is none.
            DeployError: it did not come up; what is served now stays.
        """

    def status(self) -> BackendStatus:
        """Look at the newest run and at the served models; nothing is changed."""

    def check(self) -> Iterator[CheckResult]:
        """Look at everything that a run needs here; a check is made when it is asked for."""
