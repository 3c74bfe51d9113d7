"""kfp's local cache asks only whether an artifact's path exists; this asks whether the artifact is whole."""

from pathlib import Path
from typing import Any

from forebay.engine.summary import Event
from forebay.state import is_sealed, read_json


def drop_broken_entries(cache: Path) -> list[Path]:
    """Remove the cache entries whose artifact folders are not complete, so that their steps run again.

    Returns:
        The entries removed.
    """
    broken = [entry for entry in sorted(cache.glob("*.json")) if not _intact(entry)]
    for entry in broken:
        entry.unlink(missing_ok=True)
    return broken


def forget_entries(cache: Path) -> None:
    """Remove every entry: the next run computes everything again."""
    for entry in cache.glob("*.json"):
        entry.unlink(missing_ok=True)


def forget_damaged(cache: Path, events: list[Event]) -> None:
    """Remove the entries of artifacts that steps of a run found damaged by content, so that the next run makes them.

    Their sizes are as they were, so `drop_broken_entries` would not tell.
    """
    damaged = {Path(event["damaged"]) for event in events if event.get("damaged")}
    for entry in cache.glob("*.json") if damaged else ():
        if damaged.intersection(_paths_or_none(entry)):
            entry.unlink(missing_ok=True)


def artifact_paths(entry: Path) -> list[Path]:
    """The local artifact paths that a cache entry refers to."""
    outputs: dict[str, Any] = read_json(entry)
    return [Path(value["uri"]) for value in outputs.values() if isinstance(value, dict) and value.get("uri")]


def _intact(entry: Path) -> bool:
    try:
        paths = artifact_paths(entry)
    except (OSError, ValueError, AttributeError):
        return False
    return all(path.is_file() or is_sealed(path) for path in paths)


def _paths_or_none(entry: Path) -> list[Path]:
    try:
        return artifact_paths(entry)
    except (OSError, ValueError, AttributeError):
        return []
