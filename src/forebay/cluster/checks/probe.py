"""A look from inside: a short-lived pod with the image, account and environment of the steps, always deleted."""

import json
from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.cluster.checks.given import PLAIN
from forebay.cluster.checks.inside import MARK
from forebay.cluster.checks.nodes import closed
from forebay.cluster.checks.place import Place
from forebay.errors import ClusterError
from forebay.kube import one_shot_pod, pod_logs
from forebay.kube.client import ApiError
from forebay.kube.one_shot_pod import ACCOUNT, Ended, Errand, HinderedError
from forebay.kube.pod_problems import Obstacle, Subject, of_pods
from forebay.kube.retries import BEGIN_S
from forebay.object_store.variables import ENDPOINT
from forebay.settings.cluster_environment import MLFLOW_LOGIN, STORE_KEYS
from forebay.settings.environment import API_CERTIFICATE_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import SignalGuard, SignalInterrupt, signal_guard

CERTIFICATE = "/var/run/forebay-doctor"
PROBE = Errand(
    kind="forebay-doctor",
    module="forebay.cluster.checks.inside",
    plain=(*PLAIN, ENDPOINT),  # as steps take them
    secret=(*MLFLOW_LOGIN, *STORE_KEYS),
    values=((API_CERTIFICATE_VARIABLE, f"{CERTIFICATE}/ca.crt"),),
    config_maps=(("kube-root-ca.crt", CERTIFICATE),),  # every namespace has it
    speaks_to_cluster=False,
    patience_s=300,
    room_s=20.0,
    stays_s=0.0,
)
WORDS = Subject(
    noun="probe", crash="The probe ended", room="smaller pods", memory="the probe's limit in a copy of the code"
)


def probe(place: Place, wanted: str) -> list[CheckResult]:
    """Run the pod and say what it found; whatever happens, Ctrl-C too, the pod is deleted before this returns.

    Args:
        place: the cluster.
        wanted: image of the pod; empty for the pipelines' own.

    Raises:
        ClusterError: Ctrl-C came, and the pod could not be deleted.
    """
    if shut := closed(place):
        return [failed("probe", f"it was not sent: {shut.detail}", shut.fix)]
    name = PROBE.new_name()
    try:
        takes = one_shot_pod.image(place.api, wanted)
    except ClusterError as error:
        return [failed("probe", str(error), "")]
    except ApiError as error:
        return [failed_with("probe", error)]
    with signal_guard(SignalInterrupt) as guard, place.api.patience.longer(BEGIN_S):
        place.api.patience.obey(guard)
        try:
            found = list(_run(place, name, takes, guard))
        except KeyboardInterrupt:
            for left in _delete(place, name):
                raise ClusterError(f"Ended in the middle; {left.detail} {left.fix}") from None
            raise
        with guard.deferred():
            return [*found, *_delete(place, name)]


def _run(place: Place, name: str, takes: str, guard: SignalGuard) -> Iterator[CheckResult]:
    """What the pod says once there may be one, or why there is none."""
    try:
        one_shot_pod.begin(place.api, PROBE, name, takes)
        yield from _said(place, takes, one_shot_pod.follow(place.api, PROBE, name, WORDS, guard))
    except HinderedError as error:
        yield _hindered(place, error)
    except ApiError as error:
        yield _refused(place, error)


def _delete(place: Place, name: str) -> list[CheckResult]:
    """Nothing, or that it did not work."""
    try:
        one_shot_pod.remove(place.api, name)
    except ApiError as error:
        fix = place.kubectl(f"delete pod {name} --namespace {PIPELINES}")
        return [failed("probe", f"its pod may be left: {error}", f"{fix} removes it.")]
    return []


def _refused(place: Place, error: ApiError) -> CheckResult:
    if error.is_about_rights:
        return failed(
            "probe",
            f"the pod could not be made or watched: {error.said}",
            "Ask for the rights above, or leave this look from inside out with --no-probe.",
        )
    if error.status == 403:  # quota, Pod Security, no such service account
        fix = f"Steps of a run meet the same rule. {place.up} sets quota, Pod Security and accounts as they are needed."
        return failed("probe", f"the cluster refuses the pod: {error.said}", fix)
    return failed_with("probe", error)


def _said(place: Place, takes: str, ended: Ended) -> Iterator[CheckResult]:
    said = next((line for line in reversed(ended.lines) if line.startswith(f'{{"{MARK}"')), None)
    if said is not None:
        yield passed("image", f"{takes} runs on the node {ended.pod['spec'].get('nodeName', 'of the pod')}")
        yield from (CheckResult(**each) for each in json.loads(said)[MARK])
        return
    if ended.lacks_module:
        fix = "Build the images of this version and push or load them (`make images`), then try again."
        yield failed("image", f"{takes} holds other code than this command: {ended.lines[-1]}", fix)
        return
    found = next(of_pods([ended.pod], WORDS), None)
    name = ended.pod["metadata"]["name"]
    yield failed("probe", pod_logs.explained(place.api, PIPELINES, found) if found else f"{name} said nothing", "")


def _hindered(place: Place, error: HinderedError) -> CheckResult:
    found = error.obstacle
    if found is None:
        look = place.kubectl(f"describe pods --namespace {PIPELINES} --selector {PROBE.selector}")
        return failed("probe", str(error), f"While it waits, {look}.")
    return _obstacle(place, found)


def _obstacle(place: Place, found: Obstacle) -> CheckResult:
    if found.kind == "Image":
        return failed(
            "image",
            found.text.rstrip("."),
            "Push it there, or load it into the nodes (`kind load docker-image`); a private registry needs a pull "
            f"secret on the service account {PIPELINES}/{ACCOUNT}. --image names another one for this look.",
        )
    if found.kind == "Unschedulable":
        return failed("probe", found.text.rstrip("."), f"{place.kubectl('describe nodes')} shows what is taken.")
    return failed("probe", pod_logs.explained(place.api, PIPELINES, found).rstrip("."), "")
