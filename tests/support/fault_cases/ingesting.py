"""Faults in the ingest step: Spark and its Java process are real, so each of these costs half a minute."""

import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from forebay.contracts.manifest import DataManifest
from forebay.state import is_sealed
from support.closable_proxy import OPEN, Gate
from support.fault_cases import limits
from support.fault_cases.case import Act, Ground
from support.fault_cases.place import Place
from support.fault_cases.process import Fault, Signal, amid, ended, exit_code, start, wait_until_stopped
from support.small_images import write_folder

GONE_WITHIN_S = 60.0


def terminated(ground: Ground, step: str) -> None:
    """SIGTERM ends the step and its Java process; the next try begins again."""
    place = _place(ground)
    assert ended(step, place, amid(step, Signal(signal.SIGTERM))) == -signal.SIGTERM
    assert not is_sealed(place.rows)
    _no_java_left(place)
    _goes_on(ground, place)


def halted(ground: Ground, step: str) -> None:
    """SIGSTOP, then SIGCONT."""
    place = _place(ground)
    process = start(step, place, amid(step, Signal(signal.SIGSTOP)))
    wait_until_stopped(process)
    psutil.Process(process.pid).resume()
    assert exit_code(process) == 0, place.events()
    _check(ground, place)


def full_disk(ground: Ground, step: str) -> None:
    """Rows go to a disk that is too small."""
    place = _place(ground)
    small = replace(place, disk=place.folder / "disk")
    with limits.small_disk(place.folder / "disk", 20_480):
        assert ended(step, small) == 1
    _check_said(place, "No space left on device")
    _goes_on(ground, place)


def fails_under(fault: Fault, *words: str) -> Act:
    """The step fails and says why."""
    return partial(_fails_under, fault, words)


def _fails_under(fault: Fault, words: tuple[str, ...], ground: Ground, step: str) -> None:
    place = _place(ground)
    assert ended(step, place, fault) == 1
    _check_said(place, *words)
    _goes_on(ground, place)


def store(order: bytes, seconds: float | None, ends: str) -> Act:
    """The images' object store goes away in the middle."""
    return partial(_store, order, seconds, ends)


def _store(order: bytes, seconds: float | None, ends: str, ground: Ground, step: str) -> None:
    gate: Gate = ground.request.getfixturevalue("s3_gate")
    server = ground.request.getfixturevalue("s3_server")
    place = replace(_place(ground), source=server.upload(_place_images(ground), "faults", ground.folder.name))
    variables = server.environment | {"AWS_ENDPOINT_URL": gate.url}
    fault = amid("ingest-store", gate.away(order, seconds))
    try:
        code = ended(step, place, fault, **variables)
    finally:
        gate(OPEN)
    if code:
        assert ends == "failed"
        _check_said(place, str(place.source))
        assert not is_sealed(place.rows)
        assert ended(step, place, **variables) == 0, place.events()
    _check(ground, place)


def _place(ground: Ground) -> Place:
    place = Place(ground.folder / "place")
    if not place.folder.exists():
        place.folder.mkdir()
        place.home.open()
        write_folder(place.images, 20)
    return place


def _place_images(ground: Ground) -> Path:
    return _place(ground).images


def _goes_on(ground: Ground, place: Place) -> None:
    assert ended("ingest", place) == 0, place.events()
    _check(ground, place)


def _check(ground: Ground, place: Place) -> None:
    """The rows are those of an ingest that nothing disturbed."""
    digest: str = ground.request.getfixturevalue("images_digest")
    assert is_sealed(place.rows)
    assert DataManifest.read(place.rows).digest == digest
    assert not list(place.rows.glob(".work-*"))


def _check_said(place: Place, *words: str) -> None:
    said = place.failure()["error"]
    for word in words:
        assert word in said, said


def _no_java_left(place: Place) -> None:
    """A Java process of the step's ends with it."""
    end = time.monotonic() + GONE_WITHIN_S
    while left := [each for each in psutil.process_iter(["cmdline"]) if _is_java_of(each, place)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)  # between two looks at the condition above


def _is_java_of(process: psutil.Process, place: Place) -> bool:
    words = process.info["cmdline"] or [""]
    return "java" in words[0] and any(str(place.folder) in word for word in words)
