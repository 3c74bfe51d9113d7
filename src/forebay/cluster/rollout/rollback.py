"""A rollback on a cluster: what a pod beside the steps runs, and the command's side that sends it.

The registry, the store and the model's own address are known inside the cluster, and the steps' account may serve a
version; a person's machine need reach only the API server.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from forebay.cluster.rollout.inference_service import check_name
from forebay.errors import ClusterError, ConfigError, DeployError, ForebayError
from forebay.kube import one_shot_pod, pod_logs
from forebay.kube.client import Api, ApiError, connect
from forebay.kube.one_shot_pod import Ended, Errand, HinderedError
from forebay.kube.pod_problems import Subject, of_pods
from forebay.kube.retries import BEGIN_S, WORK_S, Patience
from forebay.settings.cluster_environment import MLFLOW, MLFLOW_LOGIN, MODEL_STORE, STORE, STORE_KEYS, VERIFY_KEY
from forebay.settings.environment import HOME_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import SignalInterrupt, signal_guard
from forebay.state import Home
from forebay.state.mask import without_passwords

MODULE = "forebay.cluster.rollout.rollback"
MARK = "forebay_rollback"  # the key of the line that the pod ends with
WORDS = Subject(noun="rollback", crash="The rollback ended", room="smaller pods", memory="the pod's limit")
PATIENCE_S = 7200  # the version waits for its own deploy.timeout_s, and so does what is put back


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a rollback came to."""

    version: str = ""  # that is champion again
    url: str = ""  # of its V1 predict path, inside the cluster
    error: str = ""  # instead
    is_wrong_use: bool = False  # nothing to go back to, or served elsewhere


def main(words: list[str]) -> int:
    """Roll back, and print what it came to as the last line."""
    name, namespace = words
    with signal_guard():  # a pod's first process ignores those that nobody asked for
        outcome = _roll_back(name, namespace)
    print(json.dumps({MARK: asdict(outcome)}), flush=True)
    return 1 if outcome.error else 0


def _roll_back(name: str, namespace: str) -> Outcome:
    from forebay import registry
    from forebay.cluster.rollout.served_versions import roll_back

    failures: tuple[type[Exception], ...] = (ForebayError, *registry.failures())
    try:
        home = Home.find().open()
        version, url = roll_back(home, name, namespace, "rollback", lambda text: print(text, flush=True))
    except failures as error:
        words = str(error) if isinstance(error, ForebayError) else f"MLflow's registry: {error}"
        return Outcome(error=without_passwords(words), is_wrong_use=isinstance(error, registry.RollbackTargetError))
    return Outcome(version=version, url=url)


def send(name: str, namespace: str, context: str, image: str, show: Callable[[str], None]) -> Outcome:
    """Roll back from anywhere: run the pod, show what it says, and delete it.

    Args:
        name: of the registered model.
        namespace: of its InferenceService.
        context: of the kubeconfig; empty for the current one.
        image: of the pod; empty for the pipelines' own.
        show: receives what a person should see meanwhile.

    Raises:
        ConfigError: there is no cluster to talk to, nothing to go back to, or the name cannot be one there.
        DeployError: the version did not come up; what was served before is served again.
        ClusterError: the pod could not do its work.
    """
    check_name(name)
    api = connect(context, Patience(BEGIN_S, show))
    wanted = _errand(name, namespace)
    pod = wanted.new_name()
    takes = one_shot_pod.image(api, image)
    with signal_guard(SignalInterrupt) as guard:
        api.patience.obey(guard)
        try:
            one_shot_pod.begin(api, wanted, pod, takes)
            with api.patience.longer(WORK_S):
                ended = one_shot_pod.follow(api, wanted, pod, WORDS, guard, lambda line: _show(line, show))
            return _outcome(api, takes, ended)
        except HinderedError as error:
            found = error.obstacle
            text = pod_logs.explained(api, PIPELINES, found) if found else str(error)
            raise ClusterError(f"{text} `forebay status --cluster` shows what answers now.") from error
        except ApiError as error:
            if error.status != 403:
                raise
            doctor = "`forebay doctor --cluster` names the rights that you lack, and the commands that grant them."
            rest = doctor if error.is_about_rights else "Steps of a run meet the same rule."
            raise ClusterError(f"The rollback's pod cannot be made or watched: {error.said}. {rest}") from error
        finally:
            with guard.deferred():
                _remove(api, pod, show)


def _remove(api: Api, pod: str, show: Callable[[str], None]) -> None:
    try:
        one_shot_pod.remove(api, pod)
    except ApiError as error:
        show(f"The pod {PIPELINES}/{pod} may be left: {error}")


def _errand(name: str, namespace: str) -> Errand:
    return Errand(
        kind="forebay-rollback",
        module=MODULE,
        words=(name, namespace),
        plain=(*MLFLOW, *STORE, MODEL_STORE, VERIFY_KEY),
        secret=(*MLFLOW_LOGIN, *STORE_KEYS),
        values=((HOME_VARIABLE, "/tmp/forebay"),),  # noqa: S108 - of the container
        speaks_to_cluster=True,
        memory="1Gi",
        patience_s=PATIENCE_S,
        room_s=300.0,  # a cluster that grows has a node by then
        stays_s=30.0,
    )


def _show(line: str, show: Callable[[str], None]) -> None:
    if not line.startswith(f'{{"{MARK}"'):
        show(line)


def _outcome(api: Api, takes: str, ended: Ended) -> Outcome:
    """What the pod came to.

    Raises:
        ConfigError: there is nothing to go back to.
        DeployError: it did not work.
        ClusterError: it ended and did not say.
    """
    said = next((line for line in reversed(ended.lines) if line.startswith(f'{{"{MARK}"')), None)
    if said is not None:
        outcome = Outcome(**json.loads(said)[MARK])
        if outcome.error:
            raise (ConfigError if outcome.is_wrong_use else DeployError)(outcome.error)
        return outcome
    if ended.lacks_module:
        raise ClusterError(
            f"{takes} holds other code than this command: {ended.lines[-1]}. Build the images of this version and push "
            "or load them (`make images`), or name another one with --image."
        )
    found = next(of_pods([ended.pod], WORDS), None)
    name = ended.pod["metadata"]["name"]
    raise ClusterError(pod_logs.explained(api, PIPELINES, found) if found else f"{name} ended and said nothing.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
