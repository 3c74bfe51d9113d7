"""Faults that a command meets before any step begins."""

from pathlib import Path

from support.fault_cases import limits
from support.fault_cases.case import Ground
from support.forebay_command import ForebayHere


def read_only_home(ground: Ground, step: str) -> None:
    """Nothing can be written into the state folder: the command says so, and how to name another one."""
    place = ground.place("register" if step == "deploy" else step)
    cli = ForebayHere(ground.folder, {"FOREBAY_HOME": str(place.home.root)})
    words = _words(step, place.folder)
    with limits.read_only(place.home.root):
        said = cli(*words, expect=2).stderr
    assert str(place.home.root) in said
    assert "FOREBAY_HOME" in said
    assert "Traceback" not in said
    assert not place.home.runs.exists()


def _words(step: str, folder: Path) -> tuple[object, ...]:
    return {
        "ingest": ("ingest", "--data", "digits", "--out", folder / "new"),
        "train": ("train", folder / "rows", "--out", folder / "new"),
        "evaluate": ("evaluate", folder / "bundle", "--data", folder / "shards"),
        "register": ("run",),
        "deploy": ("serve", "--port", "0"),
    }[step]
