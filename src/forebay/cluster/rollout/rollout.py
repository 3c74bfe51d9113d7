"""Serve a version on a cluster: apply its InferenceService, wait for it and test it; or put back what was served."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from forebay.cluster.rollout.inference_service import VERSION_LABEL, rollout_labels
from forebay.cluster.rollout.readiness import SERVICE_LABEL, find_problem, is_serving, kserve_failure_selector
from forebay.cluster.timeouts import RolloutTimeouts
from forebay.errors import ConfigError, DeployError, ForebayError, WrongVersionError
from forebay.kube.client import KubeClient
from forebay.kube.labels import is_ours, not_ours
from forebay.kube.pod_logs import with_last_lines
from forebay.kube.problem_tracker import NewEvents, ProblemTracker
from forebay.kube.resource_types import INFERENCE_SERVICES, PODS, Object
from forebay.kube.retries import RESTORE_RETRY_S, RetryBudget
from forebay.serving.client import PredictionFailedError
from forebay.signals import SignalGuard, signal_guard

Labels = dict[str, str]
Verify = Callable[[str], None]  # called with the URL; raises where the version answers otherwise than it should


class SupersededError(DeployError):
    """Another rollout of the model began meanwhile; what it serves is its own business."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Rolls out versions of one model."""

    api: KubeClient
    limit_s: float  # for a version to become ready
    tell: Callable[[str], None]  # receives what a person should see meanwhile
    champion: Callable[[], str | None]  # the version that was verified last; None where none ever was
    champion_service: Callable[[], Object | None]  # the champion's InferenceService; None where it is not known
    registry_retries: RetryBudget = field(default_factory=lambda: RetryBudget(0.0))  # for the two above
    timeouts: RolloutTimeouts = field(default_factory=RolloutTimeouts)

    def run(self, wanted: Object, verify: Verify, promote: Callable[[], None]) -> str:
        """Apply, wait, verify and promote. Where one of them fails or a signal arrives, put back what was served.

        Args:
            wanted: the InferenceService.
            verify: tests whether the version answers as it should.
            promote: makes the version the champion.

        Returns:
            The service's URL inside the cluster.

        Raises:
            DeployError: the version did not come up or answered otherwise; the message says why and what answers now.
            SystemExit: SIGTERM, SIGINT or SIGHUP arrived before the version was promoted.
        """
        with signal_guard() as guard:
            self.api.retry_budget.stop_on(guard)
            self.registry_retries.stop_on(guard)
            return _RolloutRun(self, wanted, guard, self.champion()).run(verify, promote)


@dataclass
class _RolloutRun:
    """One rollout of one version."""

    rollout: Rollout
    wanted: Object
    guard: SignalGuard
    champion: str | None
    before: Object | None = None  # what is served again where this version fails; None for nothing
    expected: list[Labels] = field(default_factory=list)  # rollouts that may be met; another one supersedes this one

    @property
    def api(self) -> KubeClient:
        return self.rollout.api

    def run(self, verify: Verify, promote: Callable[[], None]) -> str:
        """See `Rollout.run`."""
        _, name, version = _identity(self.wanted)
        self._look_at_present()
        is_promoted = False
        try:
            try:
                url = service_url(self._serve(self.wanted))
                self._verify(verify, url)
                with self.guard.deferred():
                    self._check_not_superseded()
                    self._promote(promote)
                    is_promoted = True
            except Exception as error:
                reason = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
                after = "It is left alone." if isinstance(error, SupersededError) else self._put_back()
                raise DeployError(f"{name} version {version} was not made champion: {reason} {after}") from error
        except BaseException as error:
            if not is_promoted and not isinstance(error, Exception):  # whoever ends this process gives it seconds
                self._undo()
            raise
        return url

    def _look_at_present(self) -> None:
        """Find out what to serve again where this version fails, and which rollouts may be met meanwhile.

        What is served now is put back if it is the champion and answers. Anything else was left by a rollout that was
        killed, and then the champion is put back the way it was verified.
        """
        namespace, name, version = _identity(self.wanted)
        self.expected = [rollout_labels(self.wanted)]
        present = self._wait_for_deletion()
        if present is None:
            return
        if not is_ours(present):
            what = not_ours(f"InferenceService {namespace}/{name}")
            raise DeployError(f"{what} Give the model another name with evaluate.name, or remove that one.")
        self.expected.append(rollout_labels(present))
        served = _identity(present)[2]
        if served == self.champion and is_serving(present, self._pods(), rollout_labels(present)):
            self.before = as_applied(present)
            return
        known = self.rollout.champion_service() if self.champion else None
        if known is not None and rollout_labels(known) != rollout_labels(present):
            self.before = known
            self.expected.append(rollout_labels(known))
        elif not (self.champion is None and served == version):
            self.before = as_applied(present)

    def _promote(self, promote: Callable[[], None]) -> None:
        """Make the version champion. An error that comes after the alias moved is told, and is no failure."""
        version = _identity(self.wanted)[2]
        try:
            promote()
        except Exception as error:
            if self.champion == version or self.rollout.champion() != version:
                raise
            self.rollout.tell(f"Version {version} is champion; the registry was not written to its end: {error}")

    def _serve(self, wanted: Object) -> Object:
        """Apply an InferenceService and wait until it serves the version that it names.

        Raises:
            DeployError: something keeps the service from that, or it took too long.
            SupersededError: somebody applies another InferenceService than the expected ones.
        """
        namespace, name, _ = _identity(wanted)
        labels, limit_s = rollout_labels(wanted), self.rollout.limit_s
        tracker = ProblemTracker(self.rollout.timeouts.problem_grace_s, tell=self.rollout.tell)
        failures = NewEvents(self.api, namespace, ["reason=FailedCreate", kserve_failure_selector(name)])
        self._change_to(wanted)
        for service in self._follow(time.monotonic() + limit_s):
            self.guard.raise_if_signalled()
            _check_expected(service, [labels])
            pods = self._pods()
            if is_serving(service, pods, labels):
                return service
            if lasting := tracker.update(find_problem(service, pods, failures.list_all(), labels)):
                raise DeployError(with_last_lines(self.api, namespace, lasting))
        service = self.api.find(INFERENCE_SERVICES, namespace, name) or {}
        problem = tracker.current
        reason = with_last_lines(self.api, namespace, problem) if problem else _unmet_conditions(service)
        raise DeployError(f"{namespace}/{name} was not ready within {limit_s:g} s (deploy.timeout_s): {reason}")

    def _verify(self, verify: Verify, url: str) -> None:
        """Repeat the smoke test for a while: until nodes know the service's pods, an old pod or nothing answers."""
        deadline = time.monotonic() + self.rollout.timeouts.settle_s
        while True:
            self.guard.raise_if_signalled()
            try:
                verify(url)
                break
            except (WrongVersionError, ConfigError, PredictionFailedError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(self.rollout.timeouts.pause_s)
        self.guard.raise_if_signalled()

    def _check_not_superseded(self) -> None:
        """Find out whether somebody else rolled out or promoted a version since this rollout began."""
        namespace, name, version = _identity(self.wanted)
        service = self.api.find(INFERENCE_SERVICES, namespace, name)
        if service is None:
            raise _deleted(namespace, name)
        _check_expected(service, [rollout_labels(self.wanted)])
        champion = self.rollout.champion()
        if champion not in (self.champion, version):
            raise SupersededError(f"Version {champion} was made champion meanwhile.")

    def _wait_for_deletion(self) -> Object | None:
        """The service, or None; one that is being deleted must go first: what is applied to it would go with it."""
        namespace, name, _ = _identity(self.wanted)
        deadline = time.monotonic() + self.rollout.limit_s
        while time.monotonic() < deadline:
            self.guard.raise_if_signalled()
            service = self.api.find(INFERENCE_SERVICES, namespace, name)
            if service is None or not service["metadata"].get("deletionTimestamp"):
                return service
            for _ in self.api.watch(INFERENCE_SERVICES, service, self.rollout.timeouts.watch_s):
                pass
        raise DeployError(f"{namespace}/{name} is being deleted, and is not gone after {self.rollout.limit_s:g} s.")

    def _follow(self, deadline: float) -> Iterator[Object]:
        """The service's state, at least once in each watch, until the deadline."""
        namespace, name, _ = _identity(self.wanted)
        watch_s = self.rollout.timeouts.watch_s
        for service in self.api.follow(INFERENCE_SERVICES, namespace, name, deadline, watch_s):
            if service is None:
                raise _deleted(namespace, name)
            yield service

    def _pods(self) -> list[Object]:
        namespace, name, _ = _identity(self.wanted)
        return self.api.list_all(PODS, namespace, labelSelector=f"{SERVICE_LABEL}={name}")

    def _put_back(self) -> str:
        """Restore what was served, and say what answers now."""
        name, version = _identity(self.wanted)[1:]
        try:
            with self.api.retry_budget.extended(RESTORE_RETRY_S):
                with self.guard.deferred():  # a signal counts once the cluster knows what to go back to
                    self._change_to(self.before)
                self.guard.raise_if_signalled()
                if self.before is None:
                    self._wait_for_deletion()
                    return "Nothing is served instead."
                self._serve(self.before)
        except SupersededError as error:
            return f"{error} It is left alone."
        except ForebayError as error:
            self.guard.raise_if_signalled()  # the handler of the signal tries once more
            return f"Putting back what was failed as well: {error} {_advice(name, version, self.champion)}"
        version = _identity(self.before)[2]
        return f"Version {version} {'keeps answering' if version == self.champion else 'is there as before'}."

    def _undo(self) -> None:
        """Tell the cluster to restore what was served; a failure is only told, as the process is ending anyway."""
        name, version = _identity(self.wanted)[1:]
        try:
            self._change_to(self.before)
        except SupersededError as error:
            self.rollout.tell(f"{error} It is left alone.")
        except ForebayError as error:
            advice = _advice(name, version, self.champion)
            self.rollout.tell(f"Putting back what was before {name} failed: {error} {advice}")

    def _change_to(self, wanted: Object | None) -> None:
        """Apply a service in place of an expected one, or delete it where None is wanted.

        Raises:
            SupersededError: another service than the expected ones is there.
        """
        namespace, name, _ = _identity(self.wanted)

        def change(api: KubeClient) -> None:
            present = api.find(INFERENCE_SERVICES, namespace, name)
            if present is not None:
                _check_expected(present, self.expected)
            if wanted is None:
                api.delete(INFERENCE_SERVICES, namespace, name)
            else:
                api.apply(INFERENCE_SERVICES, wanted)

        self.api.retry_as_one(change)


def as_applied(service: Object) -> Object:
    """The object to apply in order to get this service again: without the fields that the cluster adds."""
    metadata = {
        key: value
        for key in ("name", "namespace", "labels", "annotations")
        if (value := service["metadata"].get(key)) is not None
    }
    return {
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "metadata": metadata,
        "spec": service["spec"],
    }


def service_url(service: Object) -> str:
    """Where the service answers inside the cluster."""
    namespace, name, _ = _identity(service)
    address = (service.get("status") or {}).get("address") or {}
    return str(address.get("url") or f"http://{name}-predictor.{namespace}.svc.cluster.local")


def _identity(service: Object) -> tuple[str, str, str]:
    """Namespace, name and version of the model."""
    metadata = service["metadata"]
    return metadata["namespace"], metadata["name"], (metadata.get("labels") or {}).get(VERSION_LABEL, "")


def _advice(name: str, version: str, champion: str | None) -> str:
    """What may be served where nothing could be put back, and what to do about it."""
    if champion == version:
        return f"Version {version} is champion, and may be served otherwise than it was proved: deploy it again."
    if champion is None:
        return (
            f"Version {version} may go on being served, although no version was ever proved: the next deployment "
            f"replaces it, and `kubectl delete inferenceservice {name}` removes it."
        )
    return (
        f"Version {version} may go on being served, although version {champion} is champion. `forebay rollback {name} "
        "--cluster` serves the champion again, and so does the next deployment, where it fails."
    )


def _deleted(namespace: str, name: str) -> DeployError:
    return DeployError(f"Somebody deleted the InferenceService {namespace}/{name} meanwhile.")


def _check_expected(present: Object, expected: list[Labels]) -> None:
    """Raise where a service belongs to a rollout that this one does not know."""
    if rollout_labels(present) not in expected:
        namespace, name, version = _identity(present)
        raise SupersededError(f"Somebody else rolled out version {version} of {namespace}/{name} meanwhile.")


def _unmet_conditions(service: Object) -> str:
    """The conditions that are not met, in the cluster's words."""
    conditions = (service.get("status") or {}).get("conditions") or []
    unmet = [each for each in conditions if each.get("status") != "True" and each.get("severity") != "Info"]
    texts = [f"{each['type']} is {each['status']}" + (f" ({each['message']})" if each.get("message") else "")
             for each in unmet]  # fmt: skip
    return "; ".join(texts) or "it has no conditions yet. Does KServe's controller run?"
