"""A disk that is full, a state folder that may not be written, too few descriptors, too little memory."""

from dataclasses import replace
from functools import partial

from support.fault_cases import limits
from support.fault_cases.case import Act, Ground, fails_by_name
from support.fault_cases.process import Fault, ended


def full_disk(size: int) -> Act:
    """The artifact goes to a disk that is too small for it."""
    return partial(_full_disk, size)


def _full_disk(size: int, ground: Ground, step: str) -> None:
    place = ground.place(step)
    small = replace(place, disk=place.folder / "disk")
    with limits.small_disk(place.folder / "disk", size):
        fails_by_name(ground, step, small, "No space left on device", str(small.output(step)), "Free some space")
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


def full_store(ground: Ground, step: str) -> None:
    """MLflow's artifacts go to a disk that is too small for the weights."""
    place = ground.place(step)
    with limits.small_disk(place.home.mlflow_artifacts, 8192):
        fails_by_name(ground, step, place, "No space left on device", str(place.home.mlflow_artifacts), "Free some")
    ground.check_goes_on(step, place)
