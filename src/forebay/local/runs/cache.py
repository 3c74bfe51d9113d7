"""kfp's local cache asks only whether an artifact's path exists; this asks whether entry and artifact are whole.

kfp writes no digest of an entry, so the engine keeps those of all entries in one file beside the cache, anew whenever a
run ends. An entry that has none yet (its run was killed) is taken as it is.
"""

from pathlib import Path
from typing import Any

from forebay.backend.summary import Event
from forebay.state import is_sealed, read_json, write_json
from forebay.state.file_digest import file_sha256

DIGESTS = "cache-digests.json"  # beside the cache folder, in which every file is an entry


def drop_broken_entries(cache: Path) -> list[str]:
    """Remove the cache entries that are damaged or whose artifact folders are not whole, so that their steps run again.

    Returns:
        What was wrong, one sentence for each entry removed.
    """
    digests = _read_digests(cache)
    problems, kept = [], {}
    for entry in sorted(cache.glob("*.json")):
        problem = _problem(entry, digests.get(entry.name, ""))
        if problem:
            entry.unlink(missing_ok=True)
            problems.append(f"{problem}. Lost: that its step was done before; it is done again now.")
        elif entry.name in digests:
            kept[entry.name] = digests[entry.name]
    if kept != digests:  # kfp may write an entry of a name that is gone again, and then differently
        write_json(cache.parent / DIGESTS, kept)
    return problems


def keep_digests(cache: Path) -> None:
    """Remember the entries as they are: a run has just ended."""
    if cache.is_dir():
        write_json(cache.parent / DIGESTS, {entry.name: file_sha256(entry) for entry in sorted(cache.glob("*.json"))})


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


def _problem(entry: Path, sha256: str) -> str:
    """What is wrong with an entry; empty where it can be used."""
    try:
        if sha256 and sha256 != file_sha256(entry):
            return f"{entry} is damaged: it is not as it was written"
        paths = artifact_paths(entry)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return f"{entry} is damaged: {error}"
    broken = next((path for path in paths if not (path.is_file() or is_sealed(path))), None)
    return f"{broken} is not whole: files are missing, or are not as they were written" if broken else ""


def _paths_or_none(entry: Path) -> list[Path]:
    try:
        return artifact_paths(entry)
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _read_digests(cache: Path) -> dict[str, str]:
    """By the entry's name; none where the file is damaged, for then the entries have to do without."""
    try:
        found = read_json(cache.parent / DIGESTS)
    except (OSError, ValueError):
        return {}
    return {name: kept for name, kept in found.items() if isinstance(kept, str)} if isinstance(found, dict) else {}
