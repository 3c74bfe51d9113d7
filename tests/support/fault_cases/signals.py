"""SIGTERM and SIGSTOP in the middle of each step."""

import os
import signal

from forebay.state import is_sealed
from support.fault_cases.case import Ground
from support.fault_cases.process import Signal, amid, ended, exit_code, start, wait_until_stopped
from support.fault_cases.steps import assert_nothing_half_registered


def terminated(ground: Ground, step: str) -> None:
    """SIGTERM ends the step; what it had begun counts for nothing, and the next try ends as if there had been none."""
    place = ground.place(step)
    code = ended(step, place, amid(step, Signal(signal.SIGTERM)))
    assert code == (143 if step == "train" else -signal.SIGTERM)
    if step != "register":
        assert not is_sealed(place.output(step))
    ground.check_goes_on(step, place)


def halted(ground: Ground, step: str) -> None:
    """SIGSTOP halts the step where it is; after SIGCONT it ends as if nothing had been."""
    place = ground.place(step)
    process = start(step, place, amid(step, Signal(signal.SIGSTOP)))
    wait_until_stopped(process)
    if step != "train":  # its thread for MLflow may be halted while it holds the database
        assert_nothing_half_registered(place)
    assert process.pid
    os.kill(process.pid, signal.SIGCONT)
    assert exit_code(process) == 0, place.events()
    ground.check_resumed(step, place)
