"""A job that a controller of the cluster works off (a TrainJob, a SparkApplication): apply it, follow it, clean up."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from forebay.errors import ForebayError
from forebay.kube.client import EVENTS, PODS, Api, ApiError, Object, Resource
from forebay.kube.labels import MANAGER, MANAGER_LABEL, is_ours, not_ours
from forebay.kube.own_pod import OwnPod
from forebay.kube.pod_logs import explained
from forebay.kube.pod_problems import Obstacle, Subject, of_pods, refused_pods
from forebay.signals import SignalGuard, signal_guard

SLICE_S = 5  # how long one watch lasts; pods are looked at after each
UNSEEN_S = 60.0  # after which a job that nobody took up is said to be that
HEARD = 20  # last lines of the speaker's log that are looked at each time
STAYS_S = 30.0  # an obstacle that stays this long is no passing one
GONE_S = 120.0  # for an earlier try to be gone


class JobError(ForebayError):
    """A job on the cluster did not do its work; the message says why, and nothing of it is left."""


@dataclass(frozen=True)
class Verdict:
    """How a job ended."""

    succeeded: bool
    reason: str = ""  # in the controller's words


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, and how to understand what becomes of it."""

    resource: Resource
    wanted: Object  # with name and namespace
    verdict: Callable[[Object], Verdict | None]  # from the object as it is; None while it runs
    pods: str  # label selector of its pods
    pods_wanted: int = 1  # while there are fewer, the API server may have refused some
    subject: Subject
    piece: str  # that brings its kind: `forebay up --with PIECE`
    switch: str  # value of the chart that grants the rights
    speaker: str = ""  # container whose log tells how far the job is

    @property
    def namespace(self) -> str:
        """Where it and its pods are."""
        return str(self.wanted["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.wanted["metadata"]["name"])

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.wanted['kind']} {self.namespace}/{self.name}"


def run_job(
    api: Api,
    job: Job,
    timeout_s: float,
    tell: Callable[[str], None],
    owner: OwnPod | None = None,
    hear: Callable[[str], None] | None = None,
) -> Object:
    """Run a job to its end; whatever ends this step before (an error, SIGTERM, Ctrl-C) takes the job with it.

    Args:
        api: connection to the cluster.
        job: what to run; an object of its name that an earlier try left is deleted first.
        timeout_s: for all of it, waiting for room included.
        tell: receives what a person should see meanwhile.
        owner: the pod of this step, so that the cluster removes the job even after a SIGKILL.
        hear: receives lines of the speaker's log, the newest ones of each look.

    Returns:
        The object as it ended, when it succeeded; it stays until the pod goes.

    Raises:
        JobError: it failed, cannot run, took too long, or somebody deleted it.
        ApiError: the API server refuses.
        SystemExit: SIGTERM, SIGINT or SIGHUP arrived.
    """
    with signal_guard() as guard:
        api.patience.obey(guard)
        following = _Following(api, job, timeout_s, tell, guard, hear)
        following.clear()
        try:
            following.begin(owner)
            return following.follow()
        except BaseException:
            following.take_back()
            raise


@dataclass
class _Following:
    api: Api
    job: Job
    timeout_s: float
    tell: Callable[[str], None]
    guard: SignalGuard
    hear: Callable[[str], None] | None = None
    last_heard: str = ""
    began: float = 0.0
    old_events: list[tuple[str, str]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    crash: str = ""  # the first one since the job began, in words; its pod may be gone when the verdict comes
    hindered_since: float = 0.0
    hindered_by: Obstacle | None = None

    def clear(self) -> None:
        """Delete what an earlier try left, and wait until it is gone: what is applied to it would go with it."""
        before = self._find()
        if before is None:
            return
        if not is_ours(before):
            raise JobError(f"{not_ours(self.job.title)} Remove it if it is not needed.")
        self.api.delete(self.job.resource, self.job.namespace, self.job.name)
        end = time.monotonic() + GONE_S
        while before is not None:
            self.guard.raise_if_signalled()
            if time.monotonic() > end:
                raise JobError(f"{self.job.title} of an earlier try is being deleted, and not gone after {GONE_S:g} s.")
            for event in self.api.watch(self.job.resource, before, SLICE_S):
                if event["type"] == "DELETED":
                    break
            before = self._find()

    def begin(self, owner: OwnPod | None) -> None:
        """Apply it, as ours and as the step's own."""
        self.old_events = [_state(event) for event in self._refusals()]  # they stay for an hour
        metadata = self.job.wanted["metadata"]
        labels = {**(metadata.get("labels") or {}), MANAGER_LABEL: MANAGER}
        owners = {"ownerReferences": [owner.reference]} if owner else {}
        try:
            self.api.apply(self.job.resource, {**self.job.wanted, "metadata": {**metadata, "labels": labels, **owners}})
        except ApiError as error:
            raise self._in_words(error) from error

    def follow(self) -> Object:
        """The object, once it succeeded."""
        self.began = time.monotonic()
        end = self.began + self.timeout_s
        while time.monotonic() < end:
            self.guard.raise_if_signalled()
            done = self._look()
            if done is not None:
                return done
        waited = f"{self.job.title} was not done within {self.timeout_s:g} s"
        found = self.hindered_by
        raise JobError(f"{waited}: {found.text if found else self.crash or 'it still runs.'}")

    def take_back(self) -> None:
        """Delete it; the error that is on its way is the one to see."""
        try:
            self.api.delete(self.job.resource, self.job.namespace, self.job.name)
        except ForebayError as error:
            self.tell(f"{self.job.title} could not be deleted: {error}")

    def _look(self) -> Object | None:
        """Look at the job and its pods, and wait a slice for something to happen."""
        job, resource = self.job, self.job.resource
        found = self.api.find(resource, job.namespace, job.name)
        if found is None:
            raise JobError(f"Somebody deleted the {job.title} meanwhile. Start the run again.")
        self._look_at_pods()
        self._look_for_controller(found)
        if self._succeeded(found):
            return found
        for event in self.api.watch(resource, found, SLICE_S):
            if event["type"] == "DELETED":
                break  # the next look finds none
            if job.verdict(event["object"]):
                self._look_at_pods()
                if self._succeeded(event["object"]):
                    ended: Object = event["object"]
                    return ended
        return None

    def _succeeded(self, found: Object) -> bool:
        verdict = self.job.verdict(found)
        if verdict and not verdict.succeeded:
            reason = verdict.reason.rstrip(".") or "no reason given"
            raise JobError(f"{self.job.title} failed: {reason}. {self.crash}".rstrip())
        return verdict is not None

    def _look_at_pods(self) -> None:
        job = self.job
        pods = self.api.all(PODS, job.namespace, labelSelector=job.pods)
        found = list(of_pods(pods, job.subject))
        if len(pods) < job.pods_wanted:
            events = [event for event in self._refusals() if _state(event) not in self.old_events]
            found += refused_pods(events, job.name, job.subject)
        self._remember_crash([each for each in found if each.kind == "Crash"])
        self._consider(next((each for each in found if each.kind != "Crash"), None))
        self._listen(pods)

    def _look_for_controller(self, found: Object) -> None:
        """Say once that nobody takes the job up: its controller is away, or looks at other namespaces."""
        text = (
            f"Nobody has taken up the {self.job.title} for {UNSEEN_S:g} s. See that what `forebay up --with "
            f"{self.job.piece}` installs runs, and that it looks at the namespace {self.job.namespace}."
        )
        if not found.get("status") and time.monotonic() - self.began > UNSEEN_S and text not in self.told:
            self.told.add(text)
            self.tell(text)

    def _listen(self, pods: list[Object]) -> None:
        """Pass on what the speaker has written since the last look, or the end of it."""
        if self.hear is None:
            return
        api = self.api.bearing(0.0)  # it is asked again in a moment
        for pod in pods:
            running = [each for each in (pod.get("status") or {}).get("containerStatuses") or [] if each.get("ready")]
            if self.job.speaker not in [each["name"] for each in running]:
                continue
            try:
                log = api.log(self.job.namespace, pod["metadata"]["name"], self.job.speaker, lines=HEARD)
            except ApiError:
                continue  # it has ended meanwhile
            lines = log.splitlines()
            new = lines[lines.index(self.last_heard) + 1 :] if self.last_heard in lines else lines
            self.last_heard = lines[-1] if lines else self.last_heard
            for line in new:
                self.hear(line)

    def _remember_crash(self, crashes: list[Obstacle]) -> None:
        """A crash is the controller's to judge, which may start the pod again; its log is read while it is there."""
        if not crashes:
            return
        first = min(crashes, key=lambda each: each.ended_at)
        if first.text + first.ended_at not in self.told:
            self.told.add(first.text + first.ended_at)
            self.crash = explained(self.api, self.job.namespace, first)
            self.tell(self.crash)

    def _consider(self, found: Obstacle | None) -> None:
        """Say what is in the way, and give up where that does not pass."""
        if found is None or self.hindered_by is None or found.kind != self.hindered_by.kind:
            self.hindered_since = time.monotonic()
            if found:
                self.tell(found.text)
        self.hindered_by = found
        if found and found.hopeless and time.monotonic() - self.hindered_since > STAYS_S:
            raise JobError(f"{self.job.title} cannot run: {found.text}")

    def _find(self) -> Object | None:
        try:
            return self.api.find(self.job.resource, self.job.namespace, self.job.name)
        except ApiError as error:
            raise self._in_words(error) from error

    def _in_words(self, error: ApiError) -> ForebayError:
        """What the cluster lacks for jobs of this kind."""
        job = self.job
        if error.status == 404:
            version = f"{job.resource.group}/{job.resource.version}"
            return JobError(
                f"The cluster has no {job.resource.plural} of {version}: `forebay up --with {job.piece}` installs what "
                f"works them off ({error})"
            )
        if error.status == 403:
            return JobError(f"{error} For {job.resource.plural} the chart's value is {job.switch}=true.")
        return error

    def _refusals(self) -> list[Object]:
        return self.api.all(EVENTS, self.job.namespace, fieldSelector="reason=FailedCreate")


def _state(each: Object) -> tuple[str, str]:
    return each["metadata"]["uid"], each["metadata"]["resourceVersion"]
