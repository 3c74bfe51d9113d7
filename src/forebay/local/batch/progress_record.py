"""Which batch the work folder belongs to: one with other sources, another model or other settings begins anew."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from forebay.errors import DamagedFileError
from forebay.serving.batch.result_files import LOCK, RECORD
from forebay.state import read_object, write_json


def settle(work: Path, facts: dict[str, str], tell: Callable[[str], None]) -> None:
    """Keep what an earlier batch left where it was this very one; else empty the folder, and tell what changed.

    Args:
        work: the folder, whose lock is held.
        facts: what makes the batch what it is, by the words that name it to a person.
        tell: called with what a person should know.
    """
    before = _read(work / RECORD, tell)
    if before == facts:
        for stale in work.glob(".scratch-*"):
            shutil.rmtree(stale, ignore_errors=True)
        return
    if before:
        changed = [name for name, value in facts.items() if before.get(name) != value]
        tell(f"Begins anew: {' and '.join(changed)} changed since the batch that was interrupted.")
    for each in work.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != LOCK:
            each.unlink()
    write_json(work / RECORD, facts)


def _read(path: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """The facts of an earlier batch; empty where there was none, or where they are damaged, which is told."""
    try:
        return read_object(path, lost="what was predicted before", mend="The batch begins anew.")
    except FileNotFoundError:
        return {}
    except DamagedFileError as error:
        tell(str(error))
        return {}


def digest_of(values: Sequence[str]) -> str:
    """One digest of several texts."""
    return hashlib.sha256("\0".join(values).encode(errors="surrogateescape")).hexdigest()
