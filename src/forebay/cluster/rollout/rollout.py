"""Serve a version on a cluster: apply its InferenceService, wait for it, prove it; or put back what was."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from forebay.cluster.rollout.inference_service import VERSION_LABEL, marks
from forebay.cluster.rollout.readiness import SERVICE_LABEL, obstacle, of_kserve, serves
from forebay.errors import ConfigError, DeployError, ForebayError, WrongVersionError
from forebay.kube.client import EVENTS, INFERENCE_SERVICES, PODS, Api
from forebay.kube.labels import is_ours, not_ours
from forebay.kube.pod_logs import explained
from forebay.kube.pod_problems import Obstacle
from forebay.kube.retries import PUT_BACK_S, Patience
from forebay.serving.client import PredictionFailedError
from forebay.signals import SignalGuard, signal_guard

Object = dict[str, Any]
SLICE_S = 2  # how long one watch lasts; pods are looked at after each
SETTLES_S, PAUSE_S = 30.0, 1.0  # how long a ready version may take to be what answers, and between two questions
STAYS_S = 15.0  # an obstacle that stays this long is no passing one

Prove = Callable[[str], None]  # called with the URL; raises where the version does not answer as it should


class SupersededError(DeployError):
    """Another rollout of the model has begun meanwhile; what it does is its own."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A version on its way onto a cluster."""

    api: Api
    timeout_s: float
    tell: Callable[[str], None]  # something that a person should see meanwhile
    champion: Callable[[], str | None]  # version that was proved last under this name; None where none ever was
    champions_service: Callable[[], Object | None]  # as it was proved; None where that is not known
    registry_patience: Patience = field(default_factory=lambda: Patience(0.0))  # of what `champion` and others ask

    def run(self, wanted: Object, prove: Prove, promote: Callable[[], None]) -> str:
        """Apply, wait, prove, promote; where one of them fails or a signal comes, what was served before is again.

        Args:
            wanted: the InferenceService.
            prove: tells whether it answers as it should.
            promote: makes it the champion.

        Returns:
            The service's URL inside the cluster.

        Raises:
            DeployError: it did not come up or answered otherwise; the message says why and what answers now.
            SystemExit: SIGTERM, SIGINT or SIGHUP came before it was promoted.
        """
        _, name, version = _identity(wanted)
        with signal_guard() as guard:
            self.api.patience.obey(guard)
            self.registry_patience.obey(guard)
            champion = self.champion()
            before, expected = self._before(wanted, champion, guard)
            promoted = False
            try:
                try:
                    url = service_url(self._serve(wanted, expected, guard))
                    self._prove(prove, url, guard)
                    with guard.deferred():
                        self._refuse_superseded(wanted, champion)
                        self._promote(promote, version, champion)
                        promoted = True
                except Exception as error:
                    reason = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
                    after = "It is left alone."
                    if not isinstance(error, SupersededError):
                        after = self._put_back(wanted, before, expected, champion, guard)
                    raise DeployError(f"{name} version {version} was not made champion: {reason} {after}") from error
            except BaseException as error:
                if not promoted and not isinstance(error, Exception):  # who ends this process gives it seconds
                    self._undo(wanted, before, expected, champion)
                raise
        return url

    def _before(
        self, wanted: Object, champion: str | None, guard: SignalGuard
    ) -> tuple[Object | None, list[dict[str, str]]]:
        """What is to be served again where this version fails (None for nothing), and whose marks may be met then.

        What answers now, if it is the champion. Anything else is what a rollout left that was killed, and the champion
        is brought back the way it was proved.
        """
        namespace, name, version = _identity(wanted)
        present = self._settled(namespace, name, guard)
        if present is None:
            return None, [marks(wanted)]
        _refuse_foreign(present)
        expected = [marks(wanted), marks(present)]
        served = _identity(present)[2]
        if served == champion and serves(present, self._pods(namespace, name), marks(present)):
            return applied(present), expected
        known = self.champions_service() if champion else None
        if known is not None and marks(known) != marks(present):
            return known, [*expected, marks(known)]
        return None if champion is None and served == version else applied(present), expected

    def _promote(self, promote: Callable[[], None], version: str, champion: str | None) -> None:
        """Make it the champion; an error after the alias has moved is no failure."""
        try:
            promote()
        except Exception as error:
            if champion == version or self.champion() != version:
                raise
            self.tell(f"Version {version} is champion; the registry was not written to its end: {error}")

    def _serve(self, wanted: Object, expected: list[dict[str, str]], guard: SignalGuard) -> Object:
        """Apply an InferenceService; the object, once it serves the version that it names.

        Raises:
            DeployError: something keeps it from that, or it took too long.
            SupersededError: somebody applies another one than the expected ones.
        """
        namespace, name, _ = _identity(wanted)
        refusals = self._refusals(namespace, name)  # of an earlier try; they stay for an hour
        self.api.together(lambda api: _change(api, namespace, name, expected, wanted))
        end = time.monotonic() + self.timeout_s
        look = _Look(self, wanted, [_state(event) for event in refusals])
        for service in self._states(namespace, name, end):
            guard.raise_if_signalled()
            if look.at(service):
                return service
        found = look.found
        service = self.api.find(INFERENCE_SERVICES, namespace, name) or {}
        waited = f"{namespace}/{name} was not ready within {self.timeout_s:g} s (deploy.timeout_s)"
        raise DeployError(f"{waited}: {explained(self.api, namespace, found) if found else _conditions(service)}")

    def _prove(self, prove: Prove, url: str, guard: SignalGuard) -> None:
        """Ask until it answers as it should: nodes learn a moment late which pods a service has now.

        Until then a pod that is on its way out still answers, or nothing does.
        """
        end = time.monotonic() + SETTLES_S
        while True:
            guard.raise_if_signalled()
            try:
                prove(url)
                break
            except (WrongVersionError, ConfigError, PredictionFailedError):
                if time.monotonic() > end:
                    raise
            time.sleep(PAUSE_S)
        guard.raise_if_signalled()

    def _refuse_superseded(self, wanted: Object, champion: str | None) -> None:
        """Find out that somebody else rolled out or promoted a version since this rollout began."""
        namespace, name, _ = _identity(wanted)
        service = self.api.find(INFERENCE_SERVICES, namespace, name)
        if service is None:
            raise _deleted(namespace, name)
        _refuse_other(service, [marks(wanted)])
        now = self.champion()
        if now not in (champion, _identity(wanted)[2]):
            raise SupersededError(f"Version {now} was made champion meanwhile.")

    def _settled(self, namespace: str, name: str, guard: SignalGuard) -> Object | None:
        """The service as it is, once one that is being deleted is gone: what is applied to that would go with it."""
        end = time.monotonic() + self.timeout_s
        while time.monotonic() < end:
            guard.raise_if_signalled()
            service = self.api.find(INFERENCE_SERVICES, namespace, name)
            if service is None or not service["metadata"].get("deletionTimestamp"):
                return service
            for _ in self.api.watch(INFERENCE_SERVICES, service, SLICE_S):
                pass
        raise DeployError(f"{namespace}/{name} is being deleted, and is not gone after {self.timeout_s:g} s.")

    def _states(self, namespace: str, name: str, end: float) -> Iterator[Object]:
        """The service as it is, at least every two seconds, until the time is over."""
        for service in self.api.states(INFERENCE_SERVICES, namespace, name, end, SLICE_S):
            if service is None:
                raise _deleted(namespace, name)
            yield service

    def _pods(self, namespace: str, name: str) -> list[Object]:
        return self.api.all(PODS, namespace, labelSelector=f"{SERVICE_LABEL}={name}")

    def _refusals(self, namespace: str, name: str) -> list[Object]:
        """Events that say that something was not made: pods, and what KServe makes of the service."""
        selectors = ("reason=FailedCreate", of_kserve(name))
        return [event for selector in selectors for event in self.api.all(EVENTS, namespace, fieldSelector=selector)]

    def _put_back(
        self, wanted: Object, before: Object | None, expected: list[dict[str, str]], champion: str | None,
        guard: SignalGuard,
    ) -> str:  # fmt: skip
        """Make the cluster what it was; what answers now, in words."""
        namespace, name, version = _identity(wanted)
        try:
            with self.api.patience.longer(PUT_BACK_S):
                with guard.deferred():  # a signal is obeyed once the cluster knows what to go back to
                    self._command(wanted, before, expected)
                guard.raise_if_signalled()
                if before is None:
                    self._settled(namespace, name, guard)
                    return "Nothing is served instead."
                self._serve(before, [*expected, marks(before)], guard)
        except SupersededError as error:
            return f"{error} It is left alone."
        except ForebayError as error:
            guard.raise_if_signalled()  # which tries once more
            return f"Putting back what was failed as well: {error} {_left(name, version, champion)}"
        version = _identity(before)[2]
        return f"Version {version} {'keeps answering' if version == champion else 'is there as before'}."

    def _undo(
        self, wanted: Object, before: Object | None, expected: list[dict[str, str]], champion: str | None
    ) -> None:
        """Tell the cluster to be what it was; the error that is on its way is the one to see."""
        _, name, version = _identity(wanted)
        try:
            self._command(wanted, before, expected)
        except SupersededError as error:
            self.tell(f"{error} It is left alone.")
        except ForebayError as error:
            self.tell(f"Putting back what was before {name} failed: {error} {_left(name, version, champion)}")

    def _command(self, wanted: Object, before: Object | None, expected: list[dict[str, str]]) -> None:
        """Apply or delete, unless somebody else has rolled out meanwhile."""
        namespace, name, _ = _identity(wanted)
        self.api.together(lambda api: _change(api, namespace, name, expected, before))


@dataclass
class _Look:
    """What keeps a version from being served, look after look."""

    rollout: Rollout
    wanted: Object
    old: list[tuple[str, str]]  # refusals of pods that were there before
    found: Obstacle | None = None
    seen: str = ""
    since: float = 0.0

    def at(self, service: Object) -> bool:
        """Whether it is served now.

        Raises:
            DeployError: something keeps it from that, and stays.
        """
        rollout, wanted = self.rollout, marks(self.wanted)
        namespace, name, _ = _identity(self.wanted)
        _refuse_other(service, [wanted])
        pods = rollout._pods(namespace, name)
        if serves(service, pods, wanted):
            return True
        events = [event for event in rollout._refusals(namespace, name) if _state(event) not in self.old]
        self.found = obstacle(service, pods, events, wanted)
        kind = self.found.kind if self.found else ""
        if kind != self.seen:
            self.seen, self.since = kind, time.monotonic()
            if self.found:
                rollout.tell(self.found.text)
        if self.found and self.found.hopeless and time.monotonic() - self.since > STAYS_S:
            raise DeployError(explained(rollout.api, namespace, self.found))
        return False


def _change(api: Api, namespace: str, name: str, expected: list[dict[str, str]], to: Object | None) -> None:
    """Apply an object in place of an expected one or of none; or delete it.

    Raises:
        SupersededError: another one is there.
    """
    present = api.find(INFERENCE_SERVICES, namespace, name)
    if present is not None:
        _refuse_other(present, expected)
    if to is None:
        api.delete(INFERENCE_SERVICES, namespace, name)
    else:
        api.apply(INFERENCE_SERVICES, to)


def applied(service: Object) -> Object:
    """What has to be applied to get a service as it was read: what people give, without what the cluster adds."""
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
    """Where it answers inside the cluster."""
    namespace, name, _ = _identity(service)
    address = (service.get("status") or {}).get("address") or {}
    return str(address.get("url") or f"http://{name}-predictor.{namespace}.svc.cluster.local")


def _state(each: Object) -> tuple[str, str]:
    return each["metadata"]["uid"], each["metadata"]["resourceVersion"]


def _identity(service: Object) -> tuple[str, str, str]:
    metadata = service["metadata"]
    return metadata["namespace"], metadata["name"], (metadata.get("labels") or {}).get(VERSION_LABEL, "")


def _left(name: str, version: str, champion: str | None) -> str:
    """What is served where nothing could be put back, and what mends it."""
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


def _refuse_other(present: Object, expected: list[dict[str, str]]) -> None:
    """Find out that a service is none of those that this rollout knows."""
    if marks(present) not in expected:
        namespace, name, version = _identity(present)
        raise SupersededError(f"Somebody else rolled out version {version} of {namespace}/{name} meanwhile.")


def _refuse_foreign(present: Object) -> None:
    if is_ours(present):
        return
    namespace, name, _ = _identity(present)
    what = not_ours(f"InferenceService {namespace}/{name}")
    raise DeployError(f"{what} Give the model another name with evaluate.name, or remove that one.")


def _conditions(service: Object) -> str:
    """Conditions that are not met, in the cluster's words."""
    conditions = (service.get("status") or {}).get("conditions") or []
    bad = [each for each in conditions if each.get("status") != "True" and each.get("severity") != "Info"]
    words = [f"{each['type']} is {each['status']}" + (f" ({each['message']})" if each.get("message") else "")
             for each in bad]  # fmt: skip
    return "; ".join(words) or "it has no conditions yet. Does KServe's controller run?"
