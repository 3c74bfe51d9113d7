"""A stored file cut short, with a flipped bit, or gone, when the step that reads it begins."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from forebay.errors import ForebayError
from forebay.state.sealed import MARKER
from support.fault_cases.case import Ground
from support.fault_cases.place import Place
from support.fault_cases.steps import assert_nothing_half_registered, perform

Damage = Callable[[Path], object]


def truncate(path: Path) -> None:
    """Keep the first half."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip(path: Path) -> None:
    """Flip one bit: behind any header, and in a marker in the digest of the file that every reader reads."""
    data = bytearray(path.read_bytes())
    manifest = b'"manifest.json": "'
    place = data.rindex(manifest) + len(manifest) if path.name == MARKER else len(data) * 3 // 4
    data[place] ^= 1
    path.write_bytes(data)


def damaged(file: str, damage: Damage, ground: Ground, step: str) -> None:
    """The step refuses the file by name, before it writes anything; with the file as it was, it ends well."""
    place = ground.place(step)
    path = next(place.folder.glob(file))
    whole = path.read_bytes()
    damage(path)
    _refused(step, place, path)
    path.write_bytes(whole)
    if ground.thorough:
        ground.check_goes_on(step, place)


def case_of(file: str, damage: Damage) -> Callable[[Ground, str], None]:
    """As a case acts."""
    return partial(damaged, file, damage)


def gone(artifact: str) -> Callable[[Ground, str], None]:
    """The whole artifact is deleted before the step."""
    return partial(_gone, artifact)


def _gone(artifact: str, ground: Ground, step: str) -> None:
    place = ground.place(step)
    folder = place.folder / artifact
    folder.rename(place.folder / "away")
    _refused(step, place, folder)
    (place.folder / "away").rename(folder)
    ground.check_goes_on(step, place)


def _refused(step: str, place: Place, path: Path) -> None:
    with pytest.raises(ForebayError):
        perform(step, place)
    failure = place.failure()
    assert str(path.parent) in failure["error"]
    if path.name != MARKER:  # where the marker lies about a file, it is the file that is named
        assert path.name in failure["error"]
    assert "`forebay run` again makes it anew" in failure["error"]
    assert failure["permanent"], "another try of the step would read the same file"
    assert Path(failure["damaged"]) in path.parents or Path(failure["damaged"]) == path
    assert_nothing_half_registered(place)
