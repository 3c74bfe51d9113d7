"""Checks that cache entries and their artifacts are whole; kfp itself checks only that an artifact's path exists.

kfp writes no digest of an entry. So the engine keeps the digests of all entries in one file beside the cache and writes
it anew whenever a run ends. An entry without a digest (its run was killed) is taken as it is.
"""

from pathlib import Path
from typing import Any

from forebay.backend.summary import Event
from forebay.state import is_sealed, read_json, write_json
from forebay.state.file_digest import file_sha256

DIGESTS = "cache-digests.json"  # beside the cache folder, in which every file is an entry


def drop_broken_entries(cache: Path) -> list[str]:
    """Remove cache entries that are damaged or whose artifact folders are not whole, so that their steps run again.

    Returns:
        One sentence for each removed entry: what was wrong with it.
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
    if kept != digests:  # kfp may write another entry under the name of a removed one
        write_json(cache.parent / DIGESTS, kept)
    return problems


def record_digests(cache: Path) -> None:
    """Record the digests of all entries; called when a run ends."""
    if cache.is_dir():
        write_json(cache.parent / DIGESTS, {entry.name: file_sha256(entry) for entry in sorted(cache.glob("*.json"))})


def clear_cache(cache: Path) -> None:
    """Remove every entry: the next run computes everything again."""
    for entry in cache.glob("*.json"):
        entry.unlink(missing_ok=True)


def drop_damaged_entries(cache: Path, events: list[Event]) -> None:
    """Remove the entries of artifacts whose content a step of a run found damaged, so that the next run makes them.

    Their sizes are unchanged, so `drop_broken_entries` would not find them.
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
    """What is wrong with an entry; empty where nothing is."""
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
    """The digests by name of the entry; empty where the file is damaged, so that entries are taken as they are."""
    try:
        found = read_json(cache.parent / DIGESTS)
    except (OSError, ValueError):
        return {}
    return {name: kept for name, kept in found.items() if isinstance(kept, str)} if isinstance(found, dict) else {}
