"""The command's side of a rollback on a cluster: a one-shot pod that does it, shown while it runs, then deleted."""

from collections.abc import Callable

from forebay.cluster.rollout.inference_service import check_name
from forebay.cluster.rollout.rollback import RESULT_KEY, RollbackResult
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ClusterError, ConfigError, DeployError
from forebay.kube.client import ApiError, KubeClient, connect
from forebay.kube.one_shot_pod import (
    FinishedPod,
    OneShotPod,
    PodStuckError,
    create_pod,
    delete_pod,
    is_result,
    resolve_image,
    wait_for_end,
)
from forebay.kube.pod_logs import with_last_lines
from forebay.kube.pod_problems import WorkloadTerms, find_pod_problems
from forebay.kube.retries import BACKGROUND_RETRY_S, START_RETRY_S
from forebay.settings.cluster_environment import (
    MLFLOW_ADDRESS_KEYS,
    MLFLOW_LOGIN_KEYS,
    MODEL_STORE,
    STORE_ADDRESS_KEYS,
    STORE_LOGIN_KEYS,
    VERIFY_KEY,
)
from forebay.settings.environment import HOME_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import SignalInterrupt, signal_guard

MODULE = "forebay.cluster.rollout.rollback"
TERMS = WorkloadTerms(
    noun="rollback", crash="The rollback ended", size_settings="smaller pods", memory_setting="the pod's limit"
)
DEADLINE_S = 7200  # the version waits for its own deploy.timeout_s, and so does the one that is put back


def run_rollback_pod(
    name: str,
    namespace: str,
    context: str,
    image: str,
    show: Callable[[str], None],
    timeouts: ClusterTimeouts | None = None,
) -> RollbackResult:
    """Run the pod, show what it logs, and delete it.

    Args:
        name: name of the registered model.
        namespace: namespace of its InferenceService.
        context: context of the kubeconfig; empty for the current one.
        image: container image of the pod; empty for that of the pipelines.
        show: receives what a person should see meanwhile.
        timeouts: how long to wait.

    Raises:
        ConfigError: there is no cluster, there is no earlier version, or the name is not allowed in Kubernetes.
        DeployError: the version did not come up; what was served before is served again.
        ClusterError: the pod could not do its work.
    """
    check_name(name)
    timeouts = timeouts or ClusterTimeouts()
    api = connect(context, timeouts.retry_budget(START_RETRY_S, show), timeouts.api)
    wanted = _rollback_pod(name, namespace)
    pod = wanted.new_name()
    image = resolve_image(api, image)
    with signal_guard(SignalInterrupt) as guard:
        api.retry_budget.stop_on(guard)
        try:
            create_pod(api, wanted, pod, image)
            with api.retry_budget.extended(BACKGROUND_RETRY_S):
                finished = wait_for_end(api, wanted, pod, guard, lambda line: _show(line, show))
            return _result(api, image, finished)
        except PodStuckError as error:
            text = with_last_lines(api, PIPELINES, error.problem) if error.problem else str(error)
            raise ClusterError(f"{text} `forebay status --cluster` shows what answers now.") from error
        except ApiError as error:
            raise _explain(error) from error
        finally:
            with guard.deferred():
                _delete(api, pod, show)


def _explain(error: ApiError) -> ApiError | ClusterError:
    if error.status != 403:
        return error
    advice = "Steps of a run meet the same rule."
    if error.is_about_rights:
        advice = "`forebay doctor --cluster` names the rights that you lack, and the commands that grant them."
    return ClusterError(f"The rollback's pod cannot be made or watched: {error.server_message}. {advice}")


def _delete(api: KubeClient, pod: str, show: Callable[[str], None]) -> None:
    try:
        delete_pod(api, pod)
    except ApiError as error:
        show(f"The pod {PIPELINES}/{pod} may be left: {error}")


def _rollback_pod(name: str, namespace: str) -> OneShotPod:
    return OneShotPod(
        app_name="forebay-rollback",
        module=MODULE,
        arguments=(name, namespace),
        config_keys=(*MLFLOW_ADDRESS_KEYS, *STORE_ADDRESS_KEYS, MODEL_STORE, VERIFY_KEY),
        secret_keys=(*MLFLOW_LOGIN_KEYS, *STORE_LOGIN_KEYS),
        variables=((HOME_VARIABLE, "/tmp/forebay"),),  # noqa: S108 - a folder of the container
        mounts_api_token=True,
        memory="1Gi",
        deadline_s=DEADLINE_S,
        unschedulable_grace_s=300.0,  # a cluster that grows has a node by then
        problem_grace_s=30.0,
        terms=TERMS,
    )


def _show(line: str, show: Callable[[str], None]) -> None:
    if not is_result(line, RESULT_KEY):
        show(line)


def _result(api: KubeClient, image: str, finished: FinishedPod) -> RollbackResult:
    """What the pod printed.

    Raises:
        ConfigError: there is no earlier version.
        DeployError: the rollback failed.
        ClusterError: the pod ended without a result.
    """
    facts = finished.result(RESULT_KEY)
    if facts is not None:
        result = RollbackResult(**facts)
        if result.error:
            raise (ConfigError if result.is_wrong_use else DeployError)(result.error)
        return result
    if finished.missing_module:
        raise ClusterError(
            f"{image} holds other code than this command: {finished.missing_module}. Build the images of this version "
            "and push or load them (`make images`), or name another one with --image."
        )
    problem = next(find_pod_problems([finished.pod], TERMS), None)
    name = finished.pod["metadata"]["name"]
    raise ClusterError(with_last_lines(api, PIPELINES, problem) if problem else f"{name} ended and said nothing.")
