"""A disk that is full, a state folder that may not be written, too few descriptors, too little memory."""

from collections.abc import Callable
from functools import partial

from fault_cases import limits
from fault_cases.case import Ground, fails_by_name
from fault_cases.place import Place
from fault_cases.process import Fault, ended

Act = Callable[[Ground, str], None]


def full_disk(size: int) -> Act:
    """The artifact goes to a disk that is too small for it."""
    return partial(_full_disk, size)


def _full_disk(size: int, ground: Ground, step: str) -> None:
    place = ground.place(step)
    with limits.small_disk(place.output(step), size):
        fails_by_name(ground, step, place, "No space left on device", str(place.output(step)), "Free")
    ground.check_goes_on(step, place)


def fails_under(fault: Fault, *words: str) -> Act:
    """The step fails and says why, while the fault lasts."""
    return partial(_fails_under, fault, words)


def _fails_under(fault: Fault, words: tuple[str, ...], ground: Ground, step: str) -> None:
    place = ground.place(step)
    fails_by_name(ground, step, place, *words, faults=(fault,))
    ground.check_goes_on(step, place)


def ends_well_under(fault: Fault) -> Act:
    """The step does not need what the fault takes away."""
    return partial(_ends_well_under, fault)


def _ends_well_under(fault: Fault, ground: Ground, step: str) -> None:
    place = ground.place(step)
    assert ended(step, place, fault) == 0, place.events()
    ground.check_resumed(step, place)


def read_only_home(ground: Ground, step: str) -> None:
    """Nothing can be written into the state folder."""
    place = ground.place(step)
    with limits.read_only(place.home.root):
        assert ended(step, place) == 1
        said = (place.folder / "output.txt").read_text()
    assert str(place.home.root) in said
    assert "Read-only file system" in said or "Permission denied" in said
    ground.check_goes_on(step, place)


def said(place: Place) -> str:
    """What the step's process printed."""
    return (place.folder / "output.txt").read_text()
