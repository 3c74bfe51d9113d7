"""A look from inside: a short-lived pod beside the steps, with their image, account and environment, always deleted."""

import json
import time
import uuid
from collections.abc import Iterator

from forebay import container_images
from forebay.cluster import last_lines
from forebay.cluster.api import PODS, ApiError, Object
from forebay.cluster.given import ENDPOINT, MLFLOW_LOGIN, STORE_KEYS, variables
from forebay.cluster.obstacles import Obstacle, Subject, of_pods
from forebay.doctor.check import Check, explained, failed, passed
from forebay.doctor.cluster import workloads
from forebay.doctor.cluster.given import PLAIN
from forebay.doctor.cluster.inside import API_CERTIFICATE_VARIABLE, MARK
from forebay.doctor.cluster.place import PIPELINES, Place
from forebay.doctor.cluster.rights import ACCOUNT
from forebay.errors import ClusterError

NAME = "forebay-doctor"
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "forebay"}
SELECTOR = f"app.kubernetes.io/name={NAME}"
MODULE = "forebay.doctor.cluster.inside"
CERTIFICATE = "/var/run/forebay-doctor"
PATIENCE_S = 300  # a node may pull the image first, and it is of some 0.7 GB
ROOM_S = 20.0  # how long a pod that no node takes is waited for
SLICE_S = 2
LINES = 50
WORDS = Subject(
    noun="probe", crash="The probe ended", room="smaller pods", memory="the probe's limit in a copy of the code"
)


def pod(name: str, image: str) -> Object:
    """The probe: what a step has, less the token of its account, and nothing that Pod Security `restricted` refuses."""
    given = variables((*PLAIN, ENDPOINT), (*MLFLOW_LOGIN, *STORE_KEYS))  # as steps take them
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": PIPELINES, "labels": LABELS},
        "spec": {
            "serviceAccountName": ACCOUNT,  # its pull secrets, and the identity that a cloud binds to it
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": PATIENCE_S,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "command": ["python3", "-m", MODULE],
                    "env": [*given, {"name": API_CERTIFICATE_VARIABLE, "value": f"{CERTIFICATE}/ca.crt"}],
                    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "ca", "mountPath": CERTIFICATE, "readOnly": True},
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
                    ],
                }
            ],
            "volumes": [
                {"name": "ca", "configMap": {"name": "kube-root-ca.crt"}},  # every namespace has it
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


def image(place: Place, wanted: str) -> str:
    """The image that the probe takes: the wanted one, else that of register and deploy, from where MLflow's came."""
    if wanted:
        return wanted
    try:
        registry = workloads.registry(place)
    except ApiError:
        registry = ""  # one who may not look at deployments
    return container_images.image("pipeline", registry)


def probe(place: Place, wanted: str) -> list[Check]:
    """Run the pod and say what it found; whatever happens, Ctrl-C too, the pod is deleted before this returns.

    Args:
        place: the cluster.
        wanted: image of the pod; empty for the pipelines' own.

    Raises:
        ClusterError: Ctrl-C came, and the pod could not be deleted.
    """
    name = f"{NAME}-{uuid.uuid4().hex[:8]}"  # chosen here, so that it is known even where the answer never comes
    takes = image(place, wanted)
    try:
        _delete_ended(place)
        found = _run(place, name, takes)
    except ApiError as error:
        return [_refused(place, error)]
    except KeyboardInterrupt:
        for left in _delete(place, name):
            raise ClusterError(f"Ended in the middle; {left.detail} {left.fix}") from None
        raise
    return [*found, *_delete(place, name)]


def _run(place: Place, name: str, takes: str) -> list[Check]:
    """What the pod says once there may be one.

    Raises:
        ApiError: the server said that there will be none.
    """
    try:
        place.api.create(PODS, pod(name, takes))
    except ApiError as error:
        if error.status:
            raise
        return [explained("probe", error)]  # whether it was made is not known
    try:
        return list(_watched(place, name, takes))
    except ApiError as error:
        return [_refused(place, error)]


def _delete_ended(place: Place) -> None:
    """Those of a doctor that was killed; a running one may be another person's."""
    for each in place.api.all(PODS, PIPELINES, labelSelector=SELECTOR):
        if _is_over(each):
            place.api.delete(PODS, PIPELINES, each["metadata"]["name"])


def _delete(place: Place, name: str) -> list[Check]:
    """Nothing, or that it did not work."""
    try:
        place.api.delete(PODS, PIPELINES, name)
    except ApiError as error:
        fix = place.kubectl(f"delete pod {name} --namespace {PIPELINES}")
        return [failed("probe", f"its pod may be left: {error}", f"{fix} removes it.")]
    return []


def _refused(place: Place, error: ApiError) -> Check:
    if " cannot " in error.said and error.status == 403:
        return failed(
            "probe",
            f"the pod could not be made or watched: {error.said}",
            "Ask for the rights above, or leave this look from inside out with --no-probe.",
        )
    if error.status == 403:  # quota, Pod Security, no such service account
        fix = f"Steps of a run meet the same rule. {place.up} sets quota, Pod Security and accounts as they are needed."
        return failed("probe", f"the cluster refuses the pod: {error.said}", fix)
    return explained("probe", error)


def _watched(place: Place, name: str, takes: str) -> Iterator[Check]:
    start = time.monotonic()
    found: Obstacle | None = None
    for seen in _states(place, name, start + PATIENCE_S):
        if _is_over(seen):
            yield from _ended(place, seen, takes)
            return
        found = next(of_pods([seen], WORDS), None)
        if found and (found.hopeless or time.monotonic() - start > ROOM_S):
            yield _obstacle(place, found)
            return
    waited = f"{PIPELINES}/{name} did not end within {PATIENCE_S} s"
    look = place.kubectl(f"describe pods --namespace {PIPELINES} --selector {SELECTOR}")
    yield failed("probe", f"{waited}: {found.text if found else 'its node says no reason'}", f"While it waits, {look}.")


def _states(place: Place, name: str, end: float) -> Iterator[Object]:
    for seen in place.api.states(PODS, PIPELINES, name, end, SLICE_S):
        if seen is None:
            raise ApiError(f"Somebody deleted the pod {PIPELINES}/{name} meanwhile. Try again.")
        yield seen


def _ended(place: Place, seen: Object, takes: str) -> Iterator[Check]:
    name = seen["metadata"]["name"]
    lines = place.api.log(PIPELINES, name, NAME, lines=LINES).splitlines()
    said = next((line for line in reversed(lines) if line.startswith(f'{{"{MARK}"')), None)
    if said is not None:
        yield passed("image", f"{takes} runs on the node {seen['spec'].get('nodeName', 'of the pod')}")
        yield from (Check(**each) for each in json.loads(said)[MARK])
        return
    if any("No module named" in line for line in lines[-1:]):
        fix = "Build the images of this version and push or load them (`make images`), then try again."
        yield failed("image", f"{takes} holds other code than this command: {lines[-1]}", fix)
        return
    found = next(of_pods([seen], WORDS), None)
    yield failed("probe", last_lines.explained(place.api, PIPELINES, found) if found else f"{name} said nothing", "")


def _obstacle(place: Place, found: Obstacle) -> Check:
    if found.kind == "Image":
        return failed(
            "image",
            found.text.rstrip("."),
            "Push it there, or load it into the nodes (`kind load docker-image`); a private registry needs a pull "
            f"secret on the service account {PIPELINES}/{ACCOUNT}. --image names another one for this look.",
        )
    if found.kind == "Unschedulable":
        return failed("probe", found.text.rstrip("."), f"{place.kubectl('describe nodes')} shows what is taken.")
    return failed("probe", last_lines.explained(place.api, PIPELINES, found).rstrip("."), "")


def _is_over(each: Object) -> bool:
    status = each.get("status") or {}
    ended = ("terminated" in (container.get("state") or {}) for container in status.get("containerStatuses") or [])
    return status.get("phase") in ("Succeeded", "Failed") or any(ended)
