"""Removing what no kept run, registered version or served model needs. The rule is `plan`, a pure function.

What a run needs is what its own files name: kfp's log says which cache entries it took (by the first digits of their
names) and where every output lies, and the events name the report.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay import registry
from forebay.errors import DamagedFileError, LockHeldError, MachineError
from forebay.local.runs.cache import artifact_paths
from forebay.local.server import server_status
from forebay.state import FileLock, Home, RunFolder
from forebay.state.events import read_events
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, is_mlflow_error
from forebay.tracking import shown_uri

ENTRY_DIGITS = 12  # of a cache entry's name, as kfp logs them
Version = tuple[str, str]  # registered name, version


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run as far as pruning is concerned."""

    folder: Path
    started: float  # seconds since the epoch
    text: str  # everything that it recorded and logged
    registered: Version | None


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What lies in a state folder."""

    runs: list[RunFacts]  # newest first
    entries: dict[Path, list[Path]]  # the artifacts of every cache entry
    tasks: list[Path]  # <artifacts>/<pipeline>-<timestamp>/<task>
    checkpoints: dict[Path, float]  # folders, with the moment of their last use
    versions: set[Version]
    served: list[Path]  # bundles that the server should serve


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What may go. The order is that of removal: no entry outlives its artifacts, no run what it names."""

    entries: list[Path]
    tasks: list[Path]
    checkpoints: list[Path]
    runs: list[Path]

    def paths(self) -> list[Path]:
        """Everything, in the order of removal."""
        return [*self.entries, *self.tasks, *self.checkpoints, *self.runs]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """One thing that was (or would be) removed."""

    path: Path
    bytes: int


def plan(inventory: Inventory, keep_runs: int) -> Plan:
    """Decide what may be removed.

    Args:
        keep_runs: so many of the newest runs keep everything they made or took from the cache. Of older ones stays
            the folder of the run that first registered a version that still exists: its report tells the origin.
    """
    kept = inventory.runs[:keep_runs]
    text = "\n".join(run.text for run in kept)
    newest = sorted({task.parent for task in inventory.tasks}, key=lambda folder: folder.name, reverse=True)[:keep_runs]
    tasks = {task for task in inventory.tasks if task.parent in newest or f"{task.parent.name}/{task.name}" in text}
    entries = {
        entry: artifacts
        for entry, artifacts in inventory.entries.items()
        if entry.stem[:ENTRY_DIGITS] in text or tasks & _holders(artifacts, inventory)
    }
    tasks |= _holders([path for artifacts in entries.values() for path in artifacts] + inventory.served, inventory)
    origins = _origins(inventory)
    since = float("inf") if keep_runs == 0 else kept[-1].started if len(kept) == keep_runs else 0.0
    return Plan(
        entries=[entry for entry in inventory.entries if entry not in entries],
        tasks=[task for task in inventory.tasks if task not in tasks],
        checkpoints=[folder for folder, used in inventory.checkpoints.items() if used < since],
        runs=[run.folder for run in inventory.runs[keep_runs:] if run.folder not in origins],
    )


def take_inventory(home: Home) -> Inventory:
    """Look at what lies in the state folder, given by its real path; call it while its lock is held.

    Raises:
        MachineError: the model registry cannot be read, so nothing is known of what versions need.
    """
    return Inventory(
        runs=[_run_facts(run) for run in home.list_runs()],
        entries={path: _artifacts(path) for path in _children(home.cache)},
        tasks=[task for folder in _children(home.artifacts) for task in _children(folder)],
        checkpoints={folder: _last_use(folder) for folder in _children(home.checkpoints)},
        versions=_versions(home),
        served=[Path(model.bundle).resolve() for model in server_status.desired_models(home).values()],
    )


def prune(home: Home, keep_runs: int, *, dry_run: bool = False) -> Iterator[Removed]:
    """Remove what the plan says, one thing after the other; a kill in between leaves work for the next call only.

    Raises:
        LockHeldError: a run is in progress.
        MachineError: the model registry cannot be read; nothing was removed.
    """
    home = Home(home.root.resolve())  # recorded paths may spell the folder in another way
    with home.lock.held("`forebay prune`"):
        inventory = take_inventory(home)
        for path in plan(inventory, keep_runs).paths():
            removed = Removed(path=path, bytes=_size(path))
            if dry_run or _remove(path, is_checkpoint=path in inventory.checkpoints):
                yield removed
        if not dry_run:
            _drop_empty_folders(home.artifacts)


def _holders(paths: list[Path], inventory: Inventory) -> set[Path]:
    """The task folders that the paths lie in."""
    parents = {parent for path in paths for parent in (path, *path.parents)}
    return {task for task in inventory.tasks if task in parents}


def _origins(inventory: Inventory) -> set[Path]:
    """For every version that exists, the folder of the oldest run that registered it."""
    oldest_last = {run.registered: run.folder for run in inventory.runs if run.registered in inventory.versions}
    return set(oldest_last.values())


def _run_facts(run: RunFolder) -> RunFacts:
    texts = [path.read_text(errors="replace") for path in (run.events, run.engine_log) if path.is_file()]
    started = (run.plan if run.plan.is_file() else run.folder).stat().st_mtime
    return RunFacts(folder=run.folder, started=started, text="\n".join(texts), registered=_registered(run))


def _registered(run: RunFolder) -> Version | None:
    for event in read_events(run.events)[0]:
        if event["step"] == "register" and event["kind"] == "result" and event.get("model"):
            return event["model"]["name"], str(event["model"]["version"])
    return None


def _artifacts(entry: Path) -> list[Path]:
    try:
        return [path.resolve() for path in artifact_paths(entry)]
    except (OSError, ValueError, AttributeError):  # half written, or not kfp's
        return []


def _versions(home: Home) -> set[Version]:
    try:
        names = registry.list_names(home)
        return {(name, item.version) for name in names for item in registry.list_versions(home, name)}
    except Exception as error:  # MLflow lets errors of the database driver and of HTTP through
        raise MachineError(
            f"The model registry {shown_uri(home)} cannot be read: {_words(error, home)} Nothing was "
            "removed, because only it knows what must stay. `forebay doctor` says more."
        ) from error


def _words(error: Exception, home: Home) -> str:
    if isinstance(error, DamagedFileError):
        return str(error)
    if is_mlflow_error(error) or is_database_damage(error):
        return explain_mlflow_error(error, shown_uri(home))
    return f"{without_passwords(' '.join(str(error).split()))}."


def _last_use(folder: Path) -> float:
    """Training touches the lock file in the folder whenever it begins or goes on."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _remove(path: Path, *, is_checkpoint: bool) -> bool:
    """Remove a file or folder; False for a checkpoint that a training outside any run uses now."""
    with contextlib.ExitStack() as stack:
        if is_checkpoint:
            try:
                stack.enter_context(FileLock(path / "lock").held("`forebay prune`"))
            except LockHeldError:
                return False
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return True


def _drop_empty_folders(folder: Path) -> None:
    for child in _children(folder):
        if child.is_dir() and not any(child.iterdir()):
            child.rmdir()


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
