"""A job: a custom resource that a controller of the cluster runs to completion, such as a TrainJob.

`run_job` applies the resource, follows it to its end and cleans up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from forebay.errors import ForebayError
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.labels import MANAGER, MANAGER_LABEL, is_ours, not_ours
from forebay.kube.own_pod import OwnPod
from forebay.kube.pod_logs import with_last_lines
from forebay.kube.pod_problems import PodProblem, WorkloadTerms, find_pod_problems, find_rejected_pods
from forebay.kube.problem_tracker import NewEvents, ProblemTracker
from forebay.kube.resource_types import PODS, Object, ResourceType
from forebay.kube.timeouts import JobTimeouts
from forebay.signals import SignalGuard, signal_guard

LOG_LINES = 20  # how many of a log's last lines are read at each look


class JobError(ForebayError):
    """A job on the cluster did not do its work; the message says why, and nothing of the job is left."""


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended."""

    succeeded: bool
    reason: str = ""  # in the controller's words


@dataclass(frozen=True, kw_only=True)
class CustomJob:
    """A job, and how to read what becomes of it."""

    resource: ResourceType
    manifest: Object  # with name and namespace
    outcome_of: Callable[[Object], JobOutcome | None]  # from the object as it is now; None while the job runs
    pod_selector: str  # label selector of the job's pods
    pod_count: int = 1  # while there are fewer, the API server may have rejected some
    terms: WorkloadTerms  # words for problems of the pods
    installed_by: str  # `forebay up --with NAME` installs the controller
    chart_value: str  # the value of the chart that grants the rights
    log_container: str = ""  # the container whose log tells how far the job is

    @property
    def namespace(self) -> str:
        """The namespace of the object and its pods."""
        return str(self.manifest["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def title(self) -> str:
        """What messages call the job: kind, namespace and name."""
        return f"{self.manifest['kind']} {self.namespace}/{self.name}"


def run_job(
    api: KubeClient,
    job: CustomJob,
    limit_s: float,
    tell: Callable[[str], None],
    owner: OwnPod | None = None,
    on_log_line: Callable[[str], None] | None = None,
    timeouts: JobTimeouts | None = None,
) -> Object:
    """Run a job to its end. Whatever ends this step earlier (an error, SIGTERM, Ctrl-C) deletes the job too.

    Args:
        api: connection to the cluster.
        job: what to run; an object of the same name that an earlier try left is deleted first.
        limit_s: for the whole job, the wait for a free node included.
        tell: receives what a person should see meanwhile.
        owner: this step's pod, so that the cluster deletes the job even after a SIGKILL.
        on_log_line: receives the lines of the log of `job.log_container`, the newest ones at each look.
        timeouts: how the job is followed.

    Returns:
        The object as it ended, where the job succeeded; it stays until the owner goes.

    Raises:
        JobError: the job failed, cannot run or took too long, or somebody deleted it.
        ApiError: the API server refuses.
        SystemExit: SIGTERM, SIGINT or SIGHUP arrived.
    """
    with signal_guard() as guard:
        api.retry_budget.stop_on(guard)
        run = _JobRun(api, job, limit_s, tell, guard, timeouts or JobTimeouts(), on_log_line)
        run.delete_earlier_try()
        try:
            run.apply(owner)
            return run.follow()
        except BaseException:
            run.take_back()
            raise


@dataclass
class _JobRun:
    api: KubeClient
    job: CustomJob
    limit_s: float
    tell: Callable[[str], None]
    guard: SignalGuard
    timeouts: JobTimeouts
    on_log_line: Callable[[str], None] | None = None
    last_log_lines: dict[str, str] = field(default_factory=dict)  # by pod
    began: float = 0.0
    told: set[str] = field(default_factory=set)
    first_crash: str = ""  # in words, because its pod may be gone when the job ends
    tracker: ProblemTracker = field(init=False)
    rejections: NewEvents = field(init=False)  # they stay for an hour, so those of an earlier try do not count

    def __post_init__(self) -> None:
        self.tracker = ProblemTracker(self.timeouts.problem_grace_s, tell=self.tell)

    def delete_earlier_try(self) -> None:
        """Delete what an earlier try left and wait until it is gone: what is applied to it would go with it."""
        before = self._find()
        if before is None:
            return
        if not is_ours(before):
            raise JobError(f"{not_ours(self.job.title)} Remove it if it is not needed.")
        self.api.delete(self.job.resource, self.job.namespace, self.job.name)
        limit_s = self.timeouts.deletion_s
        deadline = time.monotonic() + limit_s
        while before is not None:
            self.guard.raise_if_signalled()
            if time.monotonic() > deadline:
                raise JobError(
                    f"{self.job.title} of an earlier try is being deleted, and not gone after {limit_s:g} s."
                )
            for event in self.api.watch(self.job.resource, before, self.timeouts.watch_s):
                if event["type"] == "DELETED":
                    break
            before = self._find()

    def apply(self, owner: OwnPod | None) -> None:
        """Apply the object, labelled as ours and owned by this step's pod."""
        self.rejections = NewEvents(self.api, self.job.namespace, ["reason=FailedCreate"])
        metadata = self.job.manifest["metadata"]
        labels = {**(metadata.get("labels") or {}), MANAGER_LABEL: MANAGER}
        owners = {"ownerReferences": [owner.reference]} if owner else {}
        wanted = {**self.job.manifest, "metadata": {**metadata, "labels": labels, **owners}}
        try:
            self.api.apply(self.job.resource, wanted)
        except ApiError as error:
            raise self._explain(error) from error

    def follow(self) -> Object:
        """Wait until the job has succeeded."""
        self.began = time.monotonic()
        deadline = self.began + self.limit_s
        while time.monotonic() < deadline:
            self.guard.raise_if_signalled()
            done = self._look()
            if done is not None:
                return done
        problem = self.tracker.current
        reason = problem.text if problem else self.first_crash or "it still runs."
        raise JobError(f"{self.job.title} was not done within {self.limit_s:g} s: {reason}")

    def take_back(self) -> None:
        """Delete the job; a failure is only told, because the error that is being raised matters more."""
        try:
            self.api.delete(self.job.resource, self.job.namespace, self.job.name)
        except ForebayError as error:
            self.tell(f"{self.job.title} could not be deleted: {error}")

    def _look(self) -> Object | None:
        """Look at the job and its pods, then watch the job for a while; the object, once the job has succeeded."""
        job = self.job
        found = self.api.find(job.resource, job.namespace, job.name)
        if found is None:
            raise JobError(f"Somebody deleted the {job.title} meanwhile. Start the run again.")
        self._look_at_pods()
        self._look_for_controller(found)
        if self._has_succeeded(found):
            return found
        for event in self.api.watch(job.resource, found, self.timeouts.watch_s):
            if event["type"] == "DELETED":
                break  # the next look finds none
            if job.outcome_of(event["object"]):
                self._look_at_pods()
                if self._has_succeeded(event["object"]):
                    ended: Object = event["object"]
                    return ended
        return None

    def _has_succeeded(self, found: Object) -> bool:
        outcome = self.job.outcome_of(found)
        if outcome and not outcome.succeeded:
            reason = outcome.reason.rstrip(".") or "no reason given"
            raise JobError(f"{self.job.title} failed: {reason}. {self.first_crash}".rstrip())
        return outcome is not None

    def _look_at_pods(self) -> None:
        job = self.job
        pods = self.api.list_all(PODS, job.namespace, labelSelector=job.pod_selector)
        problems = list(find_pod_problems(pods, job.terms))
        if len(pods) < job.pod_count:
            problems += find_rejected_pods(self.rejections.list_all(), job.name, job.terms)
        self._tell_first_crash([each for each in problems if each.kind == "Crash"])
        lasting = self.tracker.update(next((each for each in problems if each.kind != "Crash"), None))
        if lasting:
            raise JobError(f"{job.title} cannot run: {lasting.text}")
        self._read_log(pods)

    def _look_for_controller(self, found: Object) -> None:
        """Say once that no controller took the job up: it is away, or it looks at other namespaces."""
        text = (
            f"Nobody has taken up the {self.job.title} for {self.timeouts.unseen_s:g} s. See that what `forebay up "
            f"--with {self.job.installed_by}` installs runs, and that it looks at the namespace {self.job.namespace}."
        )
        is_late = time.monotonic() - self.began > self.timeouts.unseen_s
        if not found.get("status") and is_late and text not in self.told:
            self.told.add(text)
            self.tell(text)

    def _read_log(self, pods: list[Object]) -> None:
        """Pass on what the job has logged since the last look, or the last lines of it."""
        if self.on_log_line is None:
            return
        api = self.api.with_retry_limit(0.0)  # the next look comes soon
        for pod in pods:
            statuses = (pod.get("status") or {}).get("containerStatuses") or []
            if self.job.log_container not in [each["name"] for each in statuses if each.get("ready")]:
                continue
            try:
                name = pod["metadata"]["name"]
                log = api.pod_log(self.job.namespace, name, self.job.log_container, lines=LOG_LINES)
            except ApiError:
                continue  # the container has ended meanwhile
            lines = log.splitlines()
            last = self.last_log_lines.get(name)
            new = lines[lines.index(last) + 1 :] if last in lines else lines
            self.last_log_lines[name] = lines[-1] if lines else last or ""
            for line in new:
                self.on_log_line(line)

    def _tell_first_crash(self, crashes: list[PodProblem]) -> None:
        """A crash ends nothing here, as the controller may start the pod again; its log is read while it exists."""
        if not crashes:
            return
        first = min(crashes, key=lambda each: each.ended_at)
        if first.text + first.ended_at not in self.told:
            self.told.add(first.text + first.ended_at)
            self.first_crash = with_last_lines(self.api, self.job.namespace, first)
            self.tell(self.first_crash)

    def _find(self) -> Object | None:
        try:
            return self.api.find(self.job.resource, self.job.namespace, self.job.name)
        except ApiError as error:
            raise self._explain(error) from error

    def _explain(self, error: ApiError) -> ForebayError:
        """The error, with what the cluster lacks for jobs of this kind."""
        job = self.job
        if error.status == 404:
            version = f"{job.resource.group}/{job.resource.version}"
            return JobError(
                f"The cluster has no {job.resource.plural} of {version}: `forebay up --with {job.installed_by}` "
                f"installs the controller that runs them ({error})"
            )
        if error.status == 403:
            return JobError(f"{error} For {job.resource.plural} the chart's value is {job.chart_value}=true.")
        return error
