"""How long the cluster backend waits, as one argument: `ClusterBackend` is handed it, and hands on the parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from forebay.kube.retries import RetryBudget, print_to_stderr
from forebay.kube.timeouts import ApiTimeouts, JobTimeouts, RetryTimeouts


@dataclass(frozen=True, kw_only=True)
class RolloutTimeouts:
    """How a version is rolled out; how long it may take to become ready is the setting `deploy.timeout_s`."""

    watch_s: int = 2  # length of one watch; the version's pods are looked at after each
    problem_grace_s: float = 15.0  # a problem that lasts longer ends the rollout
    settle_s: float = 30.0  # nodes learn a moment late which pods a service has
    pause_s: float = 1.0  # between two tries of the smoke test


@dataclass(frozen=True, kw_only=True)
class FollowTimeouts:
    """How a pipeline run is followed."""

    first_poll_s: float = 2.0
    longest_poll_s: float = 15.0  # nobody looks at hour three of a training every two seconds


@dataclass(frozen=True, kw_only=True)
class ClusterTimeouts:
    """All of them."""

    api: ApiTimeouts = field(default_factory=ApiTimeouts)
    retry: RetryTimeouts = field(default_factory=RetryTimeouts)
    job: JobTimeouts = field(default_factory=JobTimeouts)
    rollout: RolloutTimeouts = field(default_factory=RolloutTimeouts)
    follow: FollowTimeouts = field(default_factory=FollowTimeouts)
    stale_after: timedelta = timedelta(days=1)  # no ingest lasts as long, so a killed one left what is older

    def retry_budget(self, limit_s: float, tell: Callable[[str], None] = print_to_stderr) -> RetryBudget:
        """A budget with these timeouts."""
        return RetryBudget(limit_s, tell, self.retry)
