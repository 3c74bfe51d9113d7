"""Faults in the deploy step, with a real server that serves a champion: what is not proved is never served for good."""

import os
import signal
import time
from functools import partial

import pytest

from forebay.deploy import deploy
from forebay.errors import ForebayError
from forebay.local.server.handle_requests import handle_request
from forebay.local.server.launch import ServerOptions
from forebay.select_backend import step_backend
from forebay.settings import DeployConfig
from forebay.settings.environment import EVENTS_VARIABLE, HOME_VARIABLE
from forebay.state import Home, RunFolder, step
from forebay.state.events import read_events
from support.deploy_run import NAME, Released, Station
from support.fault_cases.case import Act, Ground
from support.fault_cases.process import Before, Fault, Signal, exit_code, started
from support.fault_cases.stored import Damage

PROVED = "forebay.registry:set_champion"  # called when it has answered as evaluated
LOADED = "forebay.deploy.smoke:SmokeTest.check"  # when the candidate is loaded beside the champion


def terminated(ground: Ground, step: str) -> None:
    """The champion stays; the same step again deploys."""
    station, released, before = _released(ground)
    code, _ = _deploy_apart(station, released, Before(LOADED, Signal(signal.SIGTERM)))
    assert code == -signal.SIGTERM
    assert station.champion == before
    assert station.loaded[NAME] == before
    _deploys(station, released)


def halted(ground: Ground, step: str) -> None:
    """It goes on where it was."""
    station, released, _ = _released(ground)
    code, _ = _deploy_apart(station, released, Before(LOADED, Signal(signal.SIGSTOP)))
    assert code == 0
    assert station.champion == released.version
    assert station.loaded == {NAME: released.version}


def fails_under(fault: Fault, *words: str) -> Act:
    """The fault begins when the new version is proved: it is put back."""
    return partial(_fails_under, fault, words)


def _fails_under(fault: Fault, words: tuple[str, ...], ground: Ground, step: str) -> None:
    station, released, before = _released(ground)
    code, run = _deploy_apart(station, released, Before(PROVED, fault))
    assert code == 1
    _check_said(run, (*words, f"Version {before} keeps answering"))
    assert station.champion == before
    assert station.loaded == {NAME: before}
    _deploys(station, released)


def ends_well_under(fault: Fault) -> Act:
    """The step does not need what the fault takes away."""
    return partial(_ends_well_under, fault)


def _ends_well_under(fault: Fault, ground: Ground, step: str) -> None:
    station, released, _ = _released(ground)
    assert _deploy_apart(station, released, fault)[0] == 0
    assert station.champion == released.version


def damaged(file: str, damage: Damage) -> Act:
    """A file of the evaluation: refused before the server is asked for anything."""
    return partial(_damaged, file, damage)


def _damaged(file: str, damage: Damage, ground: Ground, step: str) -> None:
    station, released, before = _released(ground)
    path = released.evaluation / file
    whole = path.read_bytes()
    damage(path)
    with pytest.raises(ForebayError, match=file):
        station.deploy(released)
    assert station.champion == before
    assert station.loaded == {NAME: before}
    path.write_bytes(whole)
    _deploys(station, released)


def _released(ground: Ground) -> tuple[Station, Released, str]:
    """A station that serves a champion, a new version, and the champion's."""
    station: Station = ground.request.getfixturevalue("deploy_station")
    return station, station.release(seed=station.released + 1), station.champion


def _deploys(station: Station, released: Released) -> None:
    station.deploy(released)
    assert station.champion == released.version
    assert station.loaded == {NAME: released.version}


def _deploy_apart(station: Station, released: Released, *faults: Fault) -> tuple[int, RunFolder]:
    """The step in a process of its own; this one acts on its requests, and wakes it where it is halted."""
    log = station.log()
    run = RunFolder(station.home.runs / log.run_id)
    body = partial(_deploy, station.home, run, released)
    process = started(body, run.folder / "output.txt", faults)
    while process.exitcode is None:
        handle_request(station.home, run, ServerOptions("127.0.0.1", 0))
        _wake(process.pid)
        time.sleep(0.02)  # between two looks for a request; the process's end, which deploy.timeout_s bounds, ends them
    return exit_code(process), run


def _wake(pid: int | None) -> None:
    import psutil

    try:
        if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            os.kill(pid or 0, signal.SIGCONT)
    except psutil.NoSuchProcess:
        pass


def _deploy(home: Home, run: RunFolder, released: Released) -> None:
    os.environ |= {HOME_VARIABLE: str(home.root), EVENTS_VARIABLE: str(run.events)}
    with step("deploy") as log:
        deploy(released.evaluation, released.version, DeployConfig(), log, step_backend(log))


def _check_said(run: RunFolder, words: tuple[str, ...]) -> None:
    (failed,) = [event for event in read_events(run.events)[0] if event["kind"] == "failed"]
    for word in words:
        assert word in failed["error"], failed["error"]
