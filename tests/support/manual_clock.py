"""A clock that only moves when a retry pauses: nothing really waits, and a slow machine changes no number."""

from collections.abc import Callable
from dataclasses import dataclass, field

from forebay.cluster.timeouts import ClusterTimeouts, FollowTimeouts, RolloutTimeouts
from forebay.kube.retries import RetryBudget
from forebay.kube.timeouts import JobTimeouts, RetryTimeouts

STARTED_S = 1000.0  # what the clock shows before the first pause


@dataclass
class ManualClock:
    """Handed in as `RetryTimeouts`; `on_pause` is called at each pause, for example to bring the server back."""

    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], object] = lambda: None

    @property
    def waited_s(self) -> float:
        """How long retries would have waited."""
        return sum(self.pauses)

    @property
    def retry(self) -> RetryTimeouts:
        """Retries by this clock."""
        return RetryTimeouts(now=lambda: STARTED_S + self.waited_s, sleep=self._sleep)

    @property
    def timeouts(self) -> ClusterTimeouts:
        """Retries by this clock, and nothing else that takes time."""
        return ClusterTimeouts(
            retry=self.retry,
            job=JobTimeouts(watch_s=0, problem_grace_s=0.0),
            rollout=RolloutTimeouts(problem_grace_s=0.0, pause_s=0.0),
            follow=FollowTimeouts(first_poll_s=0.0, longest_poll_s=0.0),
        )

    def retry_budget(self, limit_s: float, tell: Callable[[str], None] = lambda text: None) -> RetryBudget:
        """A budget by this clock."""
        return RetryBudget(limit_s, tell, self.retry)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()
