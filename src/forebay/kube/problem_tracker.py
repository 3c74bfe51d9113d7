"""How long the same problem has kept pods from running, and which events are new, for everyone who waits for pods."""

import time
from collections.abc import Callable, Iterable

from forebay.kube.client import KubeClient
from forebay.kube.pod_problems import PodProblem
from forebay.kube.resource_types import EVENTS, Object


class ProblemTracker:
    """Remembers the problem of the last look and since when it has been there.

    Args:
        permanent_grace_s: how long a problem may last that waiting does not solve. It may still be gone at the next
            look, because a controller needs a moment.
        passing_grace_s: how long a problem may last that may solve itself, such as a cluster without room; None for as
            long as the caller waits.
        tell: receives the text of each new problem, once.
        now: the clock.
    """

    def __init__(
        self,
        permanent_grace_s: float,
        passing_grace_s: float | None = None,
        tell: Callable[[str], None] = lambda text: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current: PodProblem | None = None
        self._permanent_grace_s = permanent_grace_s
        self._passing_grace_s = passing_grace_s
        self._tell = tell
        self._now = now
        self._since = 0.0

    def update(self, found: PodProblem | None) -> PodProblem | None:
        """Record what a look found.

        Returns:
            The problem, where it has outlasted its grace; else None.
        """
        if found is None or self.current is None or found.kind != self.current.kind:
            self._since = self._now()
            if found:
                self._tell(found.text)
        self.current = found
        if found is None:
            return None
        grace_s = self._permanent_grace_s if found.is_permanent else self._passing_grace_s
        return found if grace_s is not None and self._now() - self._since >= grace_s else None


class NewEvents:
    """Events of a namespace that were not there when this object was made: a cluster keeps old ones for an hour.

    Args:
        api: connection to the cluster.
        namespace: where the events are.
        field_selectors: an event that matches one of them counts.
    """

    def __init__(self, api: KubeClient, namespace: str, field_selectors: Iterable[str]) -> None:
        self._api = api
        self._namespace = namespace
        self._field_selectors = tuple(field_selectors)
        self._old = {_revision(event) for event in self._all()}

    def list_all(self) -> list[Object]:
        """The new events, and old ones that happened again."""
        return [event for event in self._all() if _revision(event) not in self._old]

    def _all(self) -> list[Object]:
        found = (self._api.list_all(EVENTS, self._namespace, fieldSelector=each) for each in self._field_selectors)
        return [event for events in found for event in events]


def _revision(event: Object) -> tuple[str, str]:
    return event["metadata"]["uid"], event["metadata"]["resourceVersion"]
