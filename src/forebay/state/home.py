"""Where everything lies. The one module that knows the names inside the state folder."""

import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.settings.environment import HOME_VARIABLE
from forebay.state.files import read_object, write_json
from forebay.state.lock import FileLock

DEFAULT_HOME = ".forebay"
FORMAT = 1  # format of the state folder; raise it when the layout changes in a way older code cannot read
RUN_ID_FORMAT = "%Y%m%d-%H%M%S-%f"  # UTC


@dataclass(frozen=True)
class RunFolder:
    """The folder of one pipeline run."""

    folder: Path

    @property
    def run_id(self) -> str:
        """For example `20261121-093000-482913`; sorts by time."""
        return self.folder.name

    @property
    def started(self) -> datetime | None:
        """When the run began, as its id has it; None where somebody else named the folder."""
        try:
            return datetime.strptime(self.run_id, RUN_ID_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            return None

    @property
    def events(self) -> Path:
        """JSON lines that the steps append to."""
        return self.folder / "events.jsonl"

    @property
    def engine_log(self) -> Path:
        """Everything that kfp and the steps print."""
        return self.folder / "engine.log"

    @property
    def plan(self) -> Path:
        """What the run was asked to do: parameters and command line."""
        return self.folder / "run.json"

    @property
    def summary(self) -> Path:
        """The object that `run --json` prints."""
        return self.folder / "summary.json"

    @property
    def report(self) -> Path:
        """The self-contained HTML report."""
        return self.folder / "report.html"

    @property
    def outputs(self) -> Path:
        """Paths of what a part of the pipeline made, by name, where a command asked for that part."""
        return self.folder / "outputs.json"

    @property
    def serving_request(self) -> Path:
        """Written by the deploy step: which model to serve."""
        return self.folder / "serving-request.json"

    @property
    def serving_answer(self) -> Path:
        """Written by the process that runs the pipeline: where it answers, or why it does not."""
        return self.folder / "serving-answer.json"


@dataclass(frozen=True)
class Home:
    """The state folder, `.forebay/` or `$FOREBAY_HOME`."""

    root: Path

    @classmethod
    def find(cls) -> "Home":
        """The state folder of this process, from `FOREBAY_HOME` or the current folder; it need not exist yet."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute())

    def open(self, *, writing: bool = False) -> "Home":
        """Create the folder where it is missing and check its format.

        Args:
            writing: whether the command goes on to write there; one that only looks may do so on a read-only disk.

        Raises:
            ConfigError: it cannot be written, newer code made it, or it is somebody else's.
        """
        marker = self.root / "format.json"
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            foreign = sorted(path.name for path in self.root.iterdir() if not _expected(path.name))
            if not marker.exists():  # after the look: our own files come only once the marker is there
                self._refuse(foreign)
                write_json(marker, {"format": FORMAT})
            found = read_object(
                marker,
                lost="nothing but the format of the state folder",
                mend=f"Write it anew: echo '{{\"format\": {FORMAT}}}' > {shlex.quote(str(marker))}",
            ).get("format")
        except OSError as error:
            raise ConfigError(
                f"The state folder {self.root} cannot be used: {error}. "
                f"Set {HOME_VARIABLE} to a folder that you can write."
            ) from error
        if found != FORMAT:
            raise ConfigError(
                f"The state folder {self.root} has format {found!r} and this version reads {FORMAT}. "
                f"Use the version that made it, or set {HOME_VARIABLE} to a new folder."
            )
        if writing and not os.access(self.root, os.W_OK | os.X_OK):
            raise ConfigError(
                f"The state folder {self.root} cannot be used: it is read-only here. "
                f"Set {HOME_VARIABLE} to a folder that you can write."
            )
        return self

    def _refuse(self, foreign: list[str]) -> None:
        """Never adopt a folder with other things in it: `prune` would remove what is named like ours."""
        if foreign:
            raise ConfigError(
                f"{self.root} holds {foreign[0]!r} and is no state folder of Forebay's (it has no format.json). "
                f"Set {HOME_VARIABLE} to a new or empty folder, for example {self.root / DEFAULT_HOME}."
            )

    @property
    def artifacts(self) -> Path:
        """KFP's pipeline root: one folder per run, one below it per step."""
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """KFP's cache entries."""
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        """Training checkpoints, one folder per key; outside KFP's folders so a killed run is found again."""
        return self.root / "checkpoints"

    @property
    def mlflow_database(self) -> Path:
        """MLflow's sqlite file."""
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """MLflow's artifact folder."""
        return self.root / "mlartifacts"

    @property
    def downloads(self) -> Path:
        """Model versions fetched from a remote registry, one folder each."""
        return self.root / "downloads"

    @property
    def weights(self) -> Path:
        """Pretrained weights as safetensors, each with a record of what it is."""
        return self.root / "weights"

    @property
    def serving(self) -> Path:
        """The local server's files: what it should serve, what it serves, its process and its log."""
        return self.root / "serving"

    @property
    def evaluation(self) -> Path:
        """What `forebay evaluate` made last, outside any run."""
        return self.root / "evaluation"

    @property
    def command_log(self) -> Path:
        """What libraries printed during the last `forebay ingest`, `train` or `evaluate`."""
        return self.root / "command.log"

    @property
    def tuning(self) -> Path:
        """The studies of `forebay tune`, one folder each."""
        return self.root / "tuning"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def lock(self) -> FileLock:
        """Held by the one run that may use this folder."""
        return FileLock(self.root / "lock")

    def new_run(self) -> RunFolder:
        """Make the folder of a new run; its name sorts by time, also within a second."""
        folder = self.runs / f"{datetime.now(UTC):{RUN_ID_FORMAT}}"
        folder.mkdir(parents=True)
        return RunFolder(folder)

    def list_runs(self) -> list[RunFolder]:
        """Every run, newest first."""
        if not self.runs.is_dir():
            return []
        return [RunFolder(path) for path in sorted(self.runs.iterdir(), reverse=True) if path.is_dir()]


def read_plan(run: RunFolder) -> dict[str, Any]:
    """What a run was asked to do; empty where it never came to be written.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    try:
        return read_object(
            run.plan,
            lost=f"with which settings run {run.run_id} was asked for",
            mend=f"Its results are not affected; `forebay run` makes a new run, rm -r {shlex.quote(str(run.folder))} "
            "removes this one.",
        )
    except FileNotFoundError:
        return {}


def _expected(name: str) -> bool:
    """What may lie in a folder that is not ours yet: a killed first start's file, and what a file system makes."""
    return name.startswith(".format.json.") or name == "lost+found"
