"""What lies in a state folder, as far as pruning is concerned.

What a run needs is told by its own files: kfp's log names the cache entries that it took (by the first digits of their
names) and the place of every output, and the events name the report.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from forebay import registry
from forebay.errors import DamagedFileError, MachineError
from forebay.local.runs.cache import artifact_paths
from forebay.local.server import server_status
from forebay.state import Home, RunFolder
from forebay.state.events import read_events
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, is_mlflow_error
from forebay.tracking import shown_uri

ModelVersion = tuple[str, str]  # registered name, version


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run, with the text in which it names what it needs."""

    folder: Path
    started: float  # seconds since the epoch
    text: str  # its events and its log
    registered: ModelVersion | None


@dataclass(frozen=True, kw_only=True)
class StateInventory:
    """What lies in a state folder."""

    runs: list[RunRecord]  # newest first
    entries: dict[Path, list[Path]]  # the artifacts of every cache entry
    tasks: list[Path]  # <artifacts>/<pipeline>-<timestamp>/<task>
    checkpoints: dict[Path, float]  # time of the last use of each folder, in seconds since the epoch
    versions: set[ModelVersion]
    served: list[Path]  # bundles that the server should serve


def take_inventory(home: Home) -> StateInventory:
    """List what lies in the state folder.

    Args:
        home: the state folder by its real path. Its lock is held, unless nothing is removed afterwards.

    Raises:
        MachineError: the model registry cannot be read, so it is unknown what versions need.
    """
    return StateInventory(
        runs=[_run_record(run) for run in home.list_runs()],
        entries={path: _artifacts(path) for path in list_folder(home.cache)},
        tasks=[task for folder in list_folder(home.artifacts) for task in list_folder(folder)],
        checkpoints={folder: _last_use(folder) for folder in list_folder(home.checkpoints)},
        versions=_versions(home),
        served=[Path(model.bundle).resolve() for model in server_status.desired_models(home).values()],
    )


def _run_record(run: RunFolder) -> RunRecord:
    texts = [path.read_text(errors="replace") for path in (run.events, run.engine_log) if path.is_file()]
    started = (run.plan if run.plan.is_file() else run.folder).stat().st_mtime
    return RunRecord(folder=run.folder, started=started, text="\n".join(texts), registered=_registered(run))


def _registered(run: RunFolder) -> ModelVersion | None:
    for event in read_events(run.events)[0]:
        if event["step"] == "register" and event["kind"] == "result" and event.get("model"):
            return event["model"]["name"], str(event["model"]["version"])
    return None


def _artifacts(entry: Path) -> list[Path]:
    try:
        return [path.resolve() for path in artifact_paths(entry)]
    except (OSError, ValueError, AttributeError):  # half written, or not kfp's
        return []


def _versions(home: Home) -> set[ModelVersion]:
    try:
        names = registry.list_names(home)
        return {(name, item.version) for name in names for item in registry.list_versions(home, name)}
    except Exception as error:  # MLflow lets errors of the database driver and of HTTP through
        raise MachineError(
            f"The model registry {shown_uri(home)} cannot be read: {_explain(error, home)} Nothing was "
            "removed, because only it knows what must stay. `forebay doctor` says more."
        ) from error


def _explain(error: Exception, home: Home) -> str:
    if isinstance(error, DamagedFileError):
        return str(error)
    if is_mlflow_error(error) or is_database_damage(error):
        return explain_mlflow_error(error, shown_uri(home))
    return f"{without_passwords(' '.join(str(error).split()))}."


def _last_use(folder: Path) -> float:
    """Training touches the lock file in the folder whenever it begins or goes on."""
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a training that goes on replaces its checkpoints
            times.append(path.stat().st_mtime)
    return max(times)


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted; none where there is no folder."""
    return sorted(folder.iterdir()) if folder.is_dir() else []
