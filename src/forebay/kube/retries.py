"""One rule for every call to a server that may be away for a moment: which errors pass, and how long to retry.

An API server that restarts refuses connections, cuts answers short and asks clients to come back later. When it listens
again, it knows no role yet, and so it denies every right to everybody.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from forebay.errors import ForebayError
from forebay.kube.timeouts import RetryTimeouts
from forebay.signals import SignalGuard

Result = TypeVar("Result")

# How long a server may be away, by what waits for it:
INTERACTIVE_RETRY_S = 20.0  # a person who looks at something and can look again
START_RETRY_S = 60.0  # a person who starts something
BACKGROUND_RETRY_S = 300.0  # work that goes on in the cluster meanwhile
RESTORE_RETRY_S = 1800.0  # users depend on what was served before, so it is put back

TRANSIENT_STATUSES = frozenset({0, 408, 429, 500, 502, 503, 504})  # HTTP statuses; 0 is no answer at all
UNAVAILABLE_STATUSES = frozenset({0, 502, 503, 504})
# RBAC says this of a binding whose role it does not find: its cache is still empty, or somebody deleted the role.
MISSING_ROLES = re.compile(r"RBAC: .*\bnot found")
UNKNOWN_RESOURCE = "could not find the requested resource"  # the server lacks the kind, not an object of it


class RequestFailedError(ForebayError):
    """A server did not do what a request asked for.

    Attributes:
        status: HTTP status; 0 where nothing answered.
        server_message: the server's own words; the text where the server said nothing.
        retry_after_s: how long the server asks clients to wait; 0 where it says nothing.
        is_permanent: no retry can help, for example where the certificate is not trusted.
    """

    def __init__(
        self,
        text: str,
        status: int = 0,
        server_message: str = "",
        retry_after_s: float = 0.0,
        *,
        is_permanent: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.server_message = server_message or text
        self.retry_after_s = retry_after_s
        self.is_permanent = is_permanent

    @property
    def lacks_roles(self) -> bool:
        """Whether the server denies a right because it does not find the roles that grant rights."""
        return self.status == 403 and bool(MISSING_ROLES.search(self.server_message))


def print_to_stderr(text: str) -> None:
    """Tell a person whose command prints its result on standard output."""
    print(text, file=sys.stderr, flush=True)


class RetryBudget:
    """Retries requests to a server that is away, says so once, and gives up when the time is used up.

    Args:
        limit_s: how long the server may be away; with 0 a request is made once and nothing is said.
        tell: receives the server's error once for each time that the server goes away.
        timeouts: how retries are spaced.
    """

    def __init__(
        self, limit_s: float, tell: Callable[[str], None] = print_to_stderr, timeouts: RetryTimeouts | None = None
    ) -> None:
        self.tell = tell
        self.timeouts = timeouts or RetryTimeouts()
        self._limit_s = limit_s
        self._guard: SignalGuard | None = None
        self._away_since: float | None = None  # start of the first request that failed
        self._is_told = False
        self._was_unavailable = False  # not merely busy: the server may have restarted
        self._starting_since: float | None = None  # when the server began to deny what a starting server denies
        self._failed_at = self._answered_at = self._signalled_at = 0.0

    def with_limit(self, limit_s: float) -> "RetryBudget":
        """A new budget for something optional, which is not worth a word where it fails."""
        return RetryBudget(limit_s, lambda text: None, self.timeouts)

    def stop_on(self, guard: SignalGuard) -> None:
        """Let a signal end the waiting: at once, or some seconds after it arrived where the guard defers it."""
        self._guard = guard

    @contextmanager
    def extended(self, limit_s: float) -> Iterator[None]:
        """Raise the limit for work that must not be left half done; time that the server was away already counts."""
        before, self._limit_s = self._limit_s, max(limit_s, self._limit_s) if self._limit_s else 0.0
        self._is_told = False  # a person should know the new limit
        try:
            yield
        finally:
            self._limit_s = before

    def retry(self, action: Callable[[], Result]) -> Result:
        """Call the action, and call it again from its start where a request in it fails for the moment.

        Raises:
            RequestFailedError: the failure is permanent, or the budget is used up.
        """
        while True:
            began = self.timeouts.now()
            try:
                result = action()
            except RequestFailedError as error:
                self.wait_or_raise(error, began)
                continue
            self._answered_at = self.timeouts.now()
            return result

    def wait_or_raise(self, error: RequestFailedError, began: float) -> None:
        """Wait before the next try.

        Args:
            error: why the request failed.
            began: when the request began, by the clock of `timeouts`.

        Raises:
            RequestFailedError: the error itself, where it is permanent or the budget is used up.
        """
        if self._answered_at > self._failed_at and began - self._failed_at > self.timeouts.recovered_s:
            self._away_since = self._starting_since = None
            self._is_told = self._was_unavailable = False
        at = self.timeouts.now()
        if not self._is_transient(error, began):
            self._answered_at = at
            raise error
        self._away_since = since = began if self._away_since is None else self._away_since
        self._failed_at = at
        left_s = self._deadline(since) - at
        if left_s <= 0:
            raise error
        if not self._is_told:
            self._is_told = True
            self.tell(f"{error} It is asked again for up to {left_s:.0f} s.")
        self.timeouts.sleep(max(0.0, min(max(self.timeouts.pause_s, error.retry_after_s), left_s)))
        if self._guard:
            self._guard.raise_if_signalled()

    def _deadline(self, since: float) -> float:
        deadline = since + self._limit_s
        if self._starting_since is not None:
            deadline = min(deadline, self._starting_since + self.timeouts.starting_s)
        if self._guard and self._guard.signal_number:
            self._signalled_at = self._signalled_at or self.timeouts.now()
            deadline = min(deadline, self._signalled_at + self.timeouts.after_signal_s)
        return deadline

    def _is_transient(self, error: RequestFailedError, began: float) -> bool:
        """Whether the error says that the server is away, or that it is starting."""
        if error.status in TRANSIENT_STATUSES:
            self._was_unavailable |= error.status in UNAVAILABLE_STATUSES
            self._starting_since = None
            return not error.is_permanent
        lacks_kind = error.status == 404 and UNKNOWN_RESOURCE in error.server_message
        is_starting = error.lacks_roles or (self._was_unavailable and (error.status in (401, 403) or lacks_kind))
        if is_starting and self._starting_since is None:
            self._starting_since = began
        return is_starting and bool(self._limit_s)
