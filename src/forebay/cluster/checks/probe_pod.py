"""Checks from inside the cluster: a short-lived pod with the image, account and environment of the steps.

Whatever happens, the pod is deleted.
"""

from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.cluster.checks.in_pod import OUTPUT_KEY
from forebay.cluster.checks.inspected_cluster import InspectedCluster
from forebay.cluster.checks.nodes import no_usable_node
from forebay.cluster.checks.step_environment import CONFIG_KEYS
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
from forebay.settings.cluster_environment import MLFLOW_LOGIN_KEYS, STORE_LOGIN_KEYS
from forebay.settings.environment import API_CERTIFICATE_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import SignalGuard, SignalInterrupt, signal_guard

CERTIFICATE_FOLDER = "/var/run/forebay-doctor"
PROBE_TERMS = WorkloadTerms(
    noun="probe",
    crash="The probe ended",
    size_settings="smaller pods",
    memory_setting="the probe's limit in a copy of the code",
)
PROBE_POD = OneShotPod(
    app_name="forebay-doctor",
    module="forebay.cluster.checks.in_pod",
    config_keys=(*CONFIG_KEYS, ENDPOINT),  # as steps take them
    secret_keys=(*MLFLOW_LOGIN_KEYS, *STORE_LOGIN_KEYS),
    variables=((API_CERTIFICATE_VARIABLE, f"{CERTIFICATE_FOLDER}/ca.crt"),),
    mounted_config_maps=(("kube-root-ca.crt", CERTIFICATE_FOLDER),),  # every namespace has it
    mounts_api_token=False,
    deadline_s=300,
    unschedulable_grace_s=20.0,
    problem_grace_s=0.0,
    terms=PROBE_TERMS,
)


def run_probe_pod(cluster: InspectedCluster, image: str, pod: OneShotPod = PROBE_POD) -> list[CheckResult]:
    """Run the pod and return what it found; the pod is deleted before this returns, after Ctrl-C too.

    Args:
        cluster: where it runs.
        image: the pod's container image; empty for the one of register and deploy.
        pod: what runs, and how long it is waited for.

    Raises:
        ClusterError: Ctrl-C came, and the pod could not be deleted.
    """
    if unusable := no_usable_node(cluster):
        return [failed("probe", f"it was not started: {unusable.detail}", unusable.fix)]
    name = pod.new_name()
    try:
        image = resolve_image(cluster.api, image)
    except ClusterError as error:
        return [failed("probe", str(error), "")]
    except ApiError as error:
        return [failed_with("probe", error)]
    with signal_guard(SignalInterrupt) as guard, cluster.api.retry_budget.extended(START_RETRY_S):
        cluster.api.retry_budget.stop_on(guard)
        try:
            results = list(_run(cluster, pod, name, image, guard))
        except KeyboardInterrupt:
            for left in _delete(cluster, name):
                raise ClusterError(f"Interrupted; {left.detail} {left.fix}") from None
            raise
        with guard.deferred():
            return [*results, *_delete(cluster, name)]


def _run(
    cluster: InspectedCluster, pod: OneShotPod, name: str, image: str, guard: SignalGuard
) -> Iterator[CheckResult]:
    """What the pod found, or why there is no pod."""
    try:
        create_pod(cluster.api, pod, name, image)
        yield from _results(cluster, image, wait_for_end(cluster.api, pod, name, guard))
    except PodStuckError as error:
        yield _pod_stuck(cluster, pod, error)
    except ApiError as error:
        yield _api_refused(cluster, error)


def _delete(cluster: InspectedCluster, name: str) -> list[CheckResult]:
    """Delete the pod; no result, or one that says that this failed."""
    try:
        delete_pod(cluster.api, name)
    except ApiError as error:
        fix = cluster.kubectl(f"delete pod {name} --namespace {PIPELINES}")
        return [failed("probe", f"its pod may be left: {error}", f"{fix} removes it.")]
    return []


def _api_refused(cluster: InspectedCluster, error: ApiError) -> CheckResult:
    if error.is_about_rights:
        return failed(
            "probe",
            f"the pod could not be made or watched: {error.server_message}",
            "Ask for the rights above, or skip the checks from inside with --no-probe.",
        )
    if error.status == 403:  # quota, Pod Security, no such service account
        fix = (
            f"Steps of a run meet the same rule. {cluster.install_command} sets quota, Pod Security and accounts right."
        )
        return failed("probe", f"the cluster refuses the pod: {error.server_message}", fix)
    return failed_with("probe", error)


def _results(cluster: InspectedCluster, image: str, finished: FinishedPod) -> Iterator[CheckResult]:
    """The results that the pod printed; where it printed none, the reason."""
    results = finished.result(OUTPUT_KEY)
    if results is not None:
        yield passed("image", f"{image} runs on the node {finished.pod['spec'].get('nodeName', 'of the pod')}")
        yield from (CheckResult(**each) for each in results)
        return
    if finished.missing_module:
        fix = "Build the images of this version and push or load them (`make images`), then try again."
        yield failed("image", f"{image} holds other code than this command: {finished.missing_module}", fix)
        return
    problem = next(find_pod_problems([finished.pod], PROBE_TERMS), None)
    name = finished.pod["metadata"]["name"]
    detail = with_last_lines(cluster.api, PIPELINES, problem) if problem else f"{name} printed nothing"
    yield failed("probe", detail, "")


def _pod_stuck(cluster: InspectedCluster, pod: OneShotPod, error: PodStuckError) -> CheckResult:
    if error.problem is None:
        describe = cluster.kubectl(f"describe pods --namespace {PIPELINES} --selector {pod.selector}")
        return failed("probe", str(error), f"While it waits, {describe} says more.")
    return _pod_problem(cluster, error.problem)


def _pod_problem(cluster: InspectedCluster, problem: PodProblem) -> CheckResult:
    if problem.kind == "Image":
        return failed(
            "image",
            problem.text.rstrip("."),
            "Push it there, or load it into the nodes (`kind load docker-image`); a private registry needs a pull "
            f"secret on the service account {PIPELINES}/{ACCOUNT}. --image names another one for these checks.",
        )
    if problem.kind == "Unschedulable":
        describe = cluster.kubectl("describe nodes")
        return failed("probe", problem.text.rstrip("."), f"{describe} shows what pods have requested.")
    return failed("probe", with_last_lines(cluster.api, PIPELINES, problem).rstrip("."), "")
