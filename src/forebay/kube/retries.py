"""One rule for every call to a server that may be away for a moment: what passes, and how long it is borne.

An API server that is restarted refuses connections, cuts answers, asks to come later, and, once it listens again,
knows no role yet and so refuses everybody's every right.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from forebay.errors import ForebayError
from forebay.signals import SignalGuard

Result = TypeVar("Result")

# For how long a server may be away, by what waits for it:
LOOK_S = 20.0  # a person who looks, and tries again himself
BEGIN_S = 60.0  # a person who starts something
WORK_S = 300.0  # work that goes on in the cluster meanwhile
PUT_BACK_S = 1800.0  # what was served before is owed to those who use it
STARTS_S = 60.0  # a server that starts, before its refusals are taken for its own
ENDING_S = 10.0  # after a signal: who sent it kills this process some seconds later
CALM_S = 10.0  # of answers, after which the next refusal is another matter
PAUSE_S = 1.0  # between two tries

PASSING = frozenset({0, 408, 429, 500, 502, 503, 504})  # of HTTP; 0 is no answer at all
DOWN = frozenset({0, 502, 503, 504})
# What RBAC says of bindings whose roles it does not find: its cache is empty, or a role was deleted.
NO_ROLES = re.compile(r"RBAC: .*\bnot found")
NO_KIND = "could not find the requested resource"  # in place of a kind, not of an object
now, wait = time.monotonic, time.sleep


class Refused(ForebayError):
    """A server did not do what it was asked to.

    Attributes:
        status: of HTTP; 0 where nothing answered.
        said: the server's own words.
        retry_after_s: when it wants to be asked again.
        is_lasting: nothing answered, and that will stay so, such as an untrusted certificate.
    """

    status = 0
    said = ""
    retry_after_s = 0.0
    is_lasting = False

    @property
    def has_no_roles(self) -> bool:
        """Whether it refuses a right while roles that grant rights are not there."""
        return self.status == 403 and bool(NO_ROLES.search(self.said))


def on_screen(text: str) -> None:
    """Tell a person whose command prints its result on standard output."""
    print(text, file=sys.stderr, flush=True)


class Patience:
    """Asks again where a server is away, tells it once, and gives up after a time.

    Args:
        bears_s: how long the server may be away; 0 asks once and tells nothing.
        tell: receives, once for each time that it is away, what it said.
    """

    def __init__(self, bears_s: float, tell: Callable[[str], None] = on_screen) -> None:
        self.tell = tell
        self._bears_s = bears_s
        self._guard: SignalGuard | None = None
        self._away_since: float | None = None  # when the first call began that met it away
        self._is_told = False  # that it is away
        self._was_down = False  # and not merely busy: it may have been started anew
        self._starting_since: float | None = None  # of refusals that a server gives that starts
        self._refused_at = self._answered_at = self._signal_at = 0.0

    def obey(self, guard: SignalGuard) -> None:
        """From now on a signal ends the waiting; where it is held back, a few seconds after it came."""
        self._guard = guard

    @contextmanager
    def longer(self, bears_s: float) -> Iterator[None]:
        """For what must not be left half done; the time that it is away already counts."""
        before, self._bears_s = self._bears_s, max(bears_s, self._bears_s) if self._bears_s else 0.0
        self._is_told = False  # that it is waited for longer
        try:
            yield
        finally:
            self._bears_s = before

    def insist(self, act: Callable[[], Result]) -> Result:
        """Do it, again from its start where a call in it meets the server away.

        Raises:
            Refused: what does not pass, or has lasted too long.
        """
        while True:
            began = now()
            try:
                result = act()
            except Refused as error:
                self.bear(error, began)
                continue
            self._answered_at = now()
            return result

    def bear(self, error: Refused, began: float) -> None:
        """Wait a moment.

        Args:
            error: what the server said to a call.
            began: when that began, by `time.monotonic`.

        Raises:
            Refused: the error, where it does not pass or has lasted too long.
        """
        if self._answered_at > self._refused_at and began - self._refused_at > CALM_S:
            self._away_since = self._starting_since = None
            self._is_told = self._was_down = False
        at = now()
        if not self._passes(error, began):
            self._answered_at = at
            raise error
        self._away_since = since = began if self._away_since is None else self._away_since
        self._refused_at = at
        left_s = self._end(since) - at
        if left_s <= 0:
            raise error
        if not self._is_told:
            self._is_told = True
            self.tell(f"{error} It is asked again for up to {left_s:.0f} s.")
        wait(max(0.0, min(max(PAUSE_S, error.retry_after_s), left_s)))
        if self._guard:
            self._guard.raise_if_signalled()

    def _end(self, since: float) -> float:
        """When to give up."""
        end = since + self._bears_s
        if self._starting_since is not None:
            end = min(end, self._starting_since + STARTS_S)
        if self._guard and self._guard.signal_number:
            self._signal_at = self._signal_at or now()
            end = min(end, self._signal_at + ENDING_S)
        return end

    def _passes(self, error: Refused, began: float) -> bool:
        """Whether it says that the server is away, or that it starts."""
        if error.status in PASSING:
            self._was_down |= error.status in DOWN
            self._starting_since = None
            return not error.is_lasting
        no_kind = error.status == 404 and NO_KIND in error.said
        starts = error.has_no_roles or (self._was_down and (error.status in (401, 403) or no_kind))
        if starts and self._starting_since is None:
            self._starting_since = began
        return starts and bool(self._bears_s)
