"""How long talking to a cluster may take, as arguments: a test hands in others, and a clock that it moves forward."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ApiTimeouts:
    """Limits of one request to the API server; a watch may take longer by its own time."""

    connect_s: float = 10.0
    read_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class RetryTimeouts:
    """How retries are spaced, and the clock that measures them."""

    pause_s: float = 1.0  # between two tries
    starting_s: float = 60.0  # a starting server may deny rights for so long; later the denial is the server's answer
    after_signal_s: float = 10.0  # whoever sent the signal kills this process some seconds later
    recovered_s: float = 10.0  # a failure after so long without one starts a new count
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class JobTimeouts:
    """How a job is followed."""

    watch_s: int = 5  # length of one watch; the job's pods are looked at after each
    unseen_s: float = 60.0  # a person is told that no controller has taken the job up
    problem_grace_s: float = 30.0  # a problem that lasts longer ends the job
    deletion_s: float = 120.0  # an earlier try's object is gone by then
