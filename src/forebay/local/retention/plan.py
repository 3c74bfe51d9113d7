"""The rule of pruning, a pure function: what no kept run, registered version or served model needs."""

from dataclasses import dataclass
from pathlib import Path

from forebay.local.retention.inventory import StateInventory

ENTRY_DIGITS = 12  # kfp logs this many digits of a cache entry's name


@dataclass(frozen=True, kw_only=True)
class PrunePlan:
    """What is removed, in this order, so that no entry outlives its artifacts, and no run what it names."""

    entries: list[Path]
    tasks: list[Path]
    checkpoints: list[Path]
    runs: list[Path]

    def paths(self) -> list[Path]:
        """Everything, in the order of removal."""
        return [*self.entries, *self.tasks, *self.checkpoints, *self.runs]


def plan_removal(inventory: StateInventory, keep_runs: int) -> PrunePlan:
    """Decide what may be removed.

    Args:
        inventory: what lies in the state folder.
        keep_runs: number of newest runs that keep all that they made or took from the cache. Of older runs, the
            folder of the run that first registered an existing version stays, because its report tells the origin.
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
    return PrunePlan(
        entries=[entry for entry in inventory.entries if entry not in entries],
        tasks=[task for task in inventory.tasks if task not in tasks],
        checkpoints=[folder for folder, used in inventory.checkpoints.items() if used < since],
        runs=[run.folder for run in inventory.runs[keep_runs:] if run.folder not in origins],
    )


def _holders(paths: list[Path], inventory: StateInventory) -> set[Path]:
    """The task folders in which the paths lie."""
    parents = {parent for path in paths for parent in (path, *path.parents)}
    return {task for task in inventory.tasks if task in parents}


def _origins(inventory: StateInventory) -> set[Path]:
    """For every existing version, the folder of the oldest run that registered it."""
    oldest_last = {run.registered: run.folder for run in inventory.runs if run.registered in inventory.versions}
    return set(oldest_last.values())
