"""A look from inside: a short-lived pod with the image, account and environment of the steps, always deleted."""

from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.cluster.checks.given import PLAIN
from forebay.cluster.checks.inside import MARK
from forebay.cluster.checks.nodes import closed
from forebay.cluster.checks.place import Place
from forebay.errors import ClusterError
from forebay.kube.client import ApiError
from forebay.kube.one_shot_pod import (
    ACCOUNT,
    FinishedPod,
    OneShotPod,
    PodStuckError,
    create_pod,
    delete_pod,
    resolve_image,
    wait_for_end,
)
from forebay.kube.pod_logs import with_last_lines
from forebay.kube.pod_problems import PodProblem, WorkloadTerms, find_pod_problems
from forebay.kube.retries import START_RETRY_S
from forebay.object_store.variables import ENDPOINT
from forebay.settings.cluster_environment import MLFLOW_LOGIN, STORE_KEYS
from forebay.settings.environment import API_CERTIFICATE_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import SignalGuard, SignalInterrupt, signal_guard

CERTIFICATE = "/var/run/forebay-doctor"
WORDS = WorkloadTerms(
    noun="probe",
    crash="The probe ended",
    size_settings="smaller pods",
    memory_setting="the probe's limit in a copy of the code",
)
PROBE = OneShotPod(
    app_name="forebay-doctor",
    module="forebay.cluster.checks.inside",
    config_keys=(*PLAIN, ENDPOINT),  # as steps take them
    secret_keys=(*MLFLOW_LOGIN, *STORE_KEYS),
    variables=((API_CERTIFICATE_VARIABLE, f"{CERTIFICATE}/ca.crt"),),
    mounted_config_maps=(("kube-root-ca.crt", CERTIFICATE),),  # every namespace has it
    mounts_api_token=False,
    deadline_s=300,
    unschedulable_grace_s=20.0,
    problem_grace_s=0.0,
    terms=WORDS,
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
        image = resolve_image(place.api, wanted)
    except ClusterError as error:
        return [failed("probe", str(error), "")]
    except ApiError as error:
        return [failed_with("probe", error)]
    with signal_guard(SignalInterrupt) as guard, place.api.retry_budget.extended(START_RETRY_S):
        place.api.retry_budget.stop_on(guard)
        try:
            found = list(_run(place, name, image, guard))
        except KeyboardInterrupt:
            for left in _delete(place, name):
                raise ClusterError(f"Ended in the middle; {left.detail} {left.fix}") from None
            raise
        with guard.deferred():
            return [*found, *_delete(place, name)]


def _run(place: Place, name: str, image: str, guard: SignalGuard) -> Iterator[CheckResult]:
    """What the pod says once there may be one, or why there is none."""
    try:
        create_pod(place.api, PROBE, name, image)
        yield from _said(place, image, wait_for_end(place.api, PROBE, name, guard))
    except PodStuckError as error:
        yield _hindered(place, error)
    except ApiError as error:
        yield _refused(place, error)


def _delete(place: Place, name: str) -> list[CheckResult]:
    """Nothing, or that it did not work."""
    try:
        delete_pod(place.api, name)
    except ApiError as error:
        fix = place.kubectl(f"delete pod {name} --namespace {PIPELINES}")
        return [failed("probe", f"its pod may be left: {error}", f"{fix} removes it.")]
    return []


def _refused(place: Place, error: ApiError) -> CheckResult:
    if error.is_about_rights:
        return failed(
            "probe",
            f"the pod could not be made or watched: {error.server_message}",
            "Ask for the rights above, or leave this look from inside out with --no-probe.",
        )
    if error.status == 403:  # quota, Pod Security, no such service account
        fix = f"Steps of a run meet the same rule. {place.up} sets quota, Pod Security and accounts as they are needed."
        return failed("probe", f"the cluster refuses the pod: {error.server_message}", fix)
    return failed_with("probe", error)


def _said(place: Place, image: str, finished: FinishedPod) -> Iterator[CheckResult]:
    facts = finished.result(MARK)
    if facts is not None:
        yield passed("image", f"{image} runs on the node {finished.pod['spec'].get('nodeName', 'of the pod')}")
        yield from (CheckResult(**each) for each in facts)
        return
    if finished.missing_module:
        fix = "Build the images of this version and push or load them (`make images`), then try again."
        yield failed("image", f"{image} holds other code than this command: {finished.missing_module}", fix)
        return
    problem = next(find_pod_problems([finished.pod], WORDS), None)
    name = finished.pod["metadata"]["name"]
    yield failed("probe", with_last_lines(place.api, PIPELINES, problem) if problem else f"{name} said nothing", "")


def _hindered(place: Place, error: PodStuckError) -> CheckResult:
    found = error.problem
    if found is None:
        look = place.kubectl(f"describe pods --namespace {PIPELINES} --selector {PROBE.selector}")
        return failed("probe", str(error), f"While it waits, {look}.")
    return _problem(place, found)


def _problem(place: Place, found: PodProblem) -> CheckResult:
    if found.kind == "Image":
        return failed(
            "image",
            found.text.rstrip("."),
            "Push it there, or load it into the nodes (`kind load docker-image`); a private registry needs a pull "
            f"secret on the service account {PIPELINES}/{ACCOUNT}. --image names another one for this look.",
        )
    if found.kind == "Unschedulable":
        return failed("probe", found.text.rstrip("."), f"{place.kubectl('describe nodes')} shows what is taken.")
    return failed("probe", with_last_lines(place.api, PIPELINES, found).rstrip("."), "")
