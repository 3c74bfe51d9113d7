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
from support.deploy_run import NAME, DeployRun, Released
from support.fault_cases.case import Act, Ground
from support.fault_cases.process import Before, Fault, Signal, exit_code, started
from support.fault_cases.stored import Damage

PROVED = "forebay.registry:set_champion"  # called when it has answered as evaluated
LOADED = "forebay.deploy.smoke:SmokeTest.check"  # when the candidate is loaded beside the champion


def terminated(ground: Ground, step: str) -> None:
    """The champion stays; the same step again deploys."""
    deploy_run, released, before = _released(ground)
    code, _ = _deploy_apart(deploy_run, released, Before(LOADED, Signal(signal.SIGTERM)))
    assert code == -signal.SIGTERM
    assert deploy_run.champion == before
    assert deploy_run.loaded[NAME] == before
    _deploys(deploy_run, released)


def halted(ground: Ground, step: str) -> None:
    """It goes on where it was."""
    deploy_run, released, _ = _released(ground)
    code, _ = _deploy_apart(deploy_run, released, Before(LOADED, Signal(signal.SIGSTOP)))
    assert code == 0
    assert deploy_run.champion == released.version
    assert deploy_run.loaded == {NAME: released.version}


def fails_under(fault: Fault, *words: str) -> Act:
    """The fault begins when the new version is proved: it is put back."""
    return partial(_fails_under, fault, words)


def _fails_under(fault: Fault, words: tuple[str, ...], ground: Ground, step: str) -> None:
    deploy_run, released, before = _released(ground)
    code, run = _deploy_apart(deploy_run, released, Before(PROVED, fault))
    assert code == 1
    _check_said(run, (*words, f"Version {before} keeps answering"))
    assert deploy_run.champion == before
    assert deploy_run.loaded == {NAME: before}
    _deploys(deploy_run, released)


def ends_well_under(fault: Fault) -> Act:
    """The step does not need what the fault takes away."""
    return partial(_ends_well_under, fault)


def _ends_well_under(fault: Fault, ground: Ground, step: str) -> None:
    deploy_run, released, _ = _released(ground)
    assert _deploy_apart(deploy_run, released, fault)[0] == 0
    assert deploy_run.champion == released.version


def damaged(file: str, damage: Damage) -> Act:
    """A file of the evaluation: refused before the server is asked for anything."""
    return partial(_damaged, file, damage)


def _damaged(file: str, damage: Damage, ground: Ground, step: str) -> None:
    deploy_run, released, before = _released(ground)
    path = released.evaluation / file
    whole = path.read_bytes()
    damage(path)
    with pytest.raises(ForebayError, match=file):
        deploy_run.deploy(released)
    assert deploy_run.champion == before
    assert deploy_run.loaded == {NAME: before}
    path.write_bytes(whole)
    _deploys(deploy_run, released)


def _released(ground: Ground) -> tuple[DeployRun, Released, str]:
    """A deploy_run that serves a champion, a new version, and the champion's."""
    deploy_run: DeployRun = ground.request.getfixturevalue("deploy_station")
    return deploy_run, deploy_run.release(seed=deploy_run.released + 1), deploy_run.champion


def _deploys(deploy_run: DeployRun, released: Released) -> None:
    deploy_run.deploy(released)
    assert deploy_run.champion == released.version
    assert deploy_run.loaded == {NAME: released.version}


def _deploy_apart(deploy_run: DeployRun, released: Released, *faults: Fault) -> tuple[int, RunFolder]:
    """The step in a process of its own; this one acts on its requests, and wakes it where it is halted."""
    log = deploy_run.log()
    run = RunFolder(deploy_run.home.runs / log.run_id)
    body = partial(_deploy, deploy_run.home, run, released)
    process = started(body, run.folder / "output.txt", faults)
    while process.exitcode is None:
        handle_request(deploy_run.home, run, ServerOptions("127.0.0.1", 0))
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
