"""Serve a version on a cluster: apply its InferenceService, wait for it, prove it; or put back what was."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forebay.cluster.api import EVENTS, INFERENCE_SERVICES, PODS, Api, ApiError
from forebay.deploy.inference_service import MANAGER, MANAGER_LABEL, VERSION_LABEL
from forebay.deploy.readiness import SERVICE_LABEL, Obstacle, obstacle, serves
from forebay.errors import DeployError, ForebayError
from forebay.state.mask import without_passwords

Object = dict[str, Any]
SLICE_S = 2  # how long one watch lasts; pods are looked at in between
STAYS_S = 15.0  # an obstacle that stays this long is no passing one
LOG_LINES = 8

Prove = Callable[[str], None]  # called with the URL; raises where the version does not answer as it should


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A version on its way onto a cluster."""

    api: Api
    timeout_s: float
    tell: Callable[[str], None]  # something that a person should see meanwhile

    def run(self, wanted: Object, prove: Prove) -> str:
        """Apply, wait, prove; where one of them fails, what was served before is served again.

        Args:
            wanted: the InferenceService.
            prove: tells whether it answers as it should.

        Returns:
            The service's URL inside the cluster.

        Raises:
            DeployError: it did not come up or answered otherwise; the message says why and what answers now.
        """
        namespace, name, version = _identity(wanted)
        before = self.api.find(INFERENCE_SERVICES, namespace, name)
        _refuse_foreign(before)
        try:
            self.api.apply(INFERENCE_SERVICES, wanted)
            url = service_url(self.wait(wanted))
            prove(url)
        except Exception as error:
            reason = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
            raise DeployError(
                f"{name} version {version} was not made champion: {reason} {self._put_back(wanted, before)}"
            ) from error
        return url

    def wait(self, wanted: Object) -> Object:
        """The InferenceService, once it serves the version that `wanted` names.

        Raises:
            DeployError: something keeps it from that, or it took too long.
        """
        namespace, name, version = _identity(wanted)
        end = time.monotonic() + self.timeout_s
        seen, since = "", 0.0
        service: Object = {}
        found: Obstacle | None = None
        while time.monotonic() < end:
            for event in self.api.watch(INFERENCE_SERVICES, namespace, name, SLICE_S):
                if event["type"] == "DELETED":
                    raise DeployError(f"Somebody deleted the InferenceService {namespace}/{name} meanwhile.")
                service = event["object"]
                pods = self._pods(namespace, name)
                if serves(service, pods, version):
                    return service
                found = obstacle(service, pods, self._refusals(namespace), version)
                text = found.text if found else ""
                if text != seen:
                    seen, since = text, time.monotonic()
                    if text:
                        self.tell(text)
                if found and found.hopeless and time.monotonic() - since > STAYS_S:
                    raise DeployError(self._explained(namespace, found))
        waited = f"{namespace}/{name} was not ready within {self.timeout_s:g} s (deploy.timeout_s)"
        raise DeployError(f"{waited}: {self._explained(namespace, found) if found else _conditions(service)}")

    def _pods(self, namespace: str, name: str) -> list[Object]:
        return self.api.all(PODS, namespace, labelSelector=f"{SERVICE_LABEL}={name}")

    def _refusals(self, namespace: str) -> list[Object]:
        return self.api.all(EVENTS, namespace, fieldSelector="reason=FailedCreate")

    def _explained(self, namespace: str, found: Obstacle) -> str:
        """With the last lines of the log, where there is one."""
        if not found.pod:
            return found.text
        try:
            log = self.api.log(namespace, found.pod, found.container, lines=LOG_LINES, previous=found.restarted).strip()
        except ApiError:
            return found.text  # the pod is gone; what it ended with is known
        lines = " | ".join(line.strip() for line in log.splitlines() if line.strip())
        return f"{found.text} Its last lines: {without_passwords(lines)}"

    def _put_back(self, wanted: Object, before: Object | None) -> str:
        """Make the cluster what it was; what answers now, in words."""
        namespace, name, _ = _identity(wanted)
        try:
            if before is None:
                self.api.delete(INFERENCE_SERVICES, namespace, name)
                return "Nothing is served instead."
            self.api.apply(INFERENCE_SERVICES, applied(before))
            self.wait(applied(before))
        except ForebayError as error:
            return f"Putting back what was failed as well: {error}"
        return f"Version {_identity(before)[2]} keeps answering."


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


def _identity(service: Object) -> tuple[str, str, str]:
    metadata = service["metadata"]
    return metadata["namespace"], metadata["name"], (metadata.get("labels") or {}).get(VERSION_LABEL, "")


def _refuse_foreign(before: Object | None) -> None:
    if before is None or (before["metadata"].get("labels") or {}).get(MANAGER_LABEL) == MANAGER:
        return
    namespace, name, _ = _identity(before)
    raise DeployError(
        f"There is an InferenceService {namespace}/{name} that Forebay did not make (it has no label "
        f"{MANAGER_LABEL}={MANAGER}). Give the model another name with evaluate.name, or remove that one."
    )


def _conditions(service: Object) -> str:
    """Conditions that are not met, in the cluster's words."""
    conditions = (service.get("status") or {}).get("conditions") or []
    bad = [each for each in conditions if each.get("status") != "True"]
    words = [f"{each['type']} is {each['status']}" + (f" ({each['message']})" if each.get("message") else "")
             for each in bad]  # fmt: skip
    return "; ".join(words) or "it has no conditions yet. Does KServe's controller run?"
