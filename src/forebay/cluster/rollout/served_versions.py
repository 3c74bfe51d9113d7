"""Registered versions on a cluster: the InferenceService of each, rolled out by a deployment or by a rollback."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

from forebay import registry
from forebay.cluster.rollout.inference_service import VERSION_LABEL, ModelDeployment, ServerResources, inference_service
from forebay.cluster.rollout.registry_retries import retry_registry
from forebay.cluster.rollout.rollout import Rollout
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.contracts.bundles.spec import read_spec
from forebay.deploy.smoke import SmokeTest, check_answers
from forebay.errors import ConfigError, DeployError
from forebay.kube.client import KubeClient, connect
from forebay.kube.resource_types import INFERENCE_SERVICES, Object
from forebay.kube.retries import BACKGROUND_RETRY_S, RetryBudget
from forebay.registry import RegisteredBundle
from forebay.serving.client import predict_url
from forebay.settings import DeployConfig, ServeConfig
from forebay.settings.cluster_environment import MODEL_STORE
from forebay.settings.serve import ANY, DEFAULT_SERVE, serve_config, serve_variables
from forebay.signing import verify_if_required
from forebay.state import Home

PROXIED = "mlflow-artifacts:"
FETCHED = ("s3", "gs", "https")  # schemes that KServe's storage initializer reads
# The settings that are kept with a version, so that it can be served the same way again.
REMEMBERED = ("namespace", "replicas", "memory", "gpus", "gpu_resource", "timeout_s")
SERVE = "serve"  # the server's settings
RUN_ID = "run_id"  # it stands on the pods: with another id they would be other pods

Tell = Callable[[str], None]


def resolve_patiently(home: Home, reference: str, tell: Tell, timeouts: ClusterTimeouts) -> RegisteredBundle:
    """As `registry.resolve`; a registry that is away for a moment is asked again."""
    return retry_registry(timeouts.retry_budget(BACKGROUND_RETRY_S, tell), partial(registry.resolve, home, reference))


def roll_out(
    home: Home, bundle: RegisteredBundle, smoke: SmokeTest, config: DeployConfig, run_id: str, tell: Tell,
    serve: ServeConfig = DEFAULT_SERVE, timeouts: ClusterTimeouts | None = None,
) -> str:  # fmt: skip
    """Serve a version, compare its answers and make it champion; the URL of its V1 predict path.

    Raises:
        DeployError: the version did not come up or answered otherwise; what was served before is served again.
        ConfigError: there is no cluster to talk to, or the name cannot be one there.
    """
    wanted = service(bundle, config, run_id, serve)
    timeouts = timeouts or ClusterTimeouts()
    api, retry_budget = _connect(tell, timeouts)

    def promote() -> None:
        settings = {key: getattr(config, key) for key in REMEMBERED} | {SERVE: asdict(serve)}
        kept = settings | {RUN_ID: run_id}
        retry_registry(retry_budget, partial(registry.save_serving_settings, home, bundle.name, bundle.version, kept))
        retry_registry(retry_budget, partial(registry.set_champion, home, bundle.name, bundle.version))

    verify = partial(smoke.check, name=bundle.name, timeout_s=float(config.timeout_s))
    rollout = _rollout(api, retry_budget, home, bundle.name, config, run_id, timeouts)
    return predict_url(rollout.run(wanted, verify, promote), bundle.name)


def roll_back(
    home: Home, name: str, namespace: str, run_id: str, tell: Tell, timeouts: ClusterTimeouts | None = None
) -> tuple[str, str]:
    """Serve the previous champion, the way it was served then.

    Where another version than the champion is served, because a rollout was killed, the champion is served again
    instead.

    Args:
        name: name of the registered model.
        namespace: namespace of its InferenceService.
        run_id: for the annotation of the service.

    Returns:
        The version, and the URL of its V1 predict path.

    Raises:
        ModelError: there is no such version, or the champion is served elsewhere.
        DeployError: the version did not come up or does not answer; what was served before is served again.
    """
    timeouts = timeouts or ClusterTimeouts()
    api, retry_budget = _connect(tell, timeouts)
    served = _served_version(api, namespace, name)
    bundle = retry_registry(retry_budget, partial(_version_before, home, name, namespace, served, tell))
    if bundle.note:
        tell(bundle.note)
    config = retry_registry(retry_budget, partial(kept_deploy_config, home, bundle, namespace))
    if config is None:
        config = DeployConfig(namespace=namespace)
        tell(f"How version {bundle.version} was served in {namespace} is not kept; it gets what a new model gets.")
    spec = read_spec(bundle.folder)
    shape_HWC = (spec.height, spec.width, spec.channels)
    verify = partial(
        check_answers, name=name, version=bundle.version, shape_HWC=shape_HWC, classes=len(spec.classes),
        timeout_s=float(config.timeout_s),
    )  # fmt: skip
    serve = retry_registry(retry_budget, partial(kept_serve_config, home, bundle, namespace))
    promote = partial(
        retry_registry, retry_budget, partial(registry.set_champion, home, name, bundle.version, back=True)
    )
    rollout = _rollout(api, retry_budget, home, name, config, run_id, timeouts)
    url = rollout.run(service(bundle, config, run_id, serve), verify, promote)
    return bundle.version, predict_url(url, name)


def _served_version(api: KubeClient, namespace: str, name: str) -> str | None:
    """The version that the model's InferenceService names; None where there is none of ours."""
    present = api.find(INFERENCE_SERVICES, namespace, name) or {"metadata": {}}
    return (present["metadata"].get("labels") or {}).get(VERSION_LABEL)


def _version_before(home: Home, name: str, namespace: str, served: str | None, tell: Tell) -> RegisteredBundle:
    """The version that a rollback goes to.

    Raises:
        ModelError: there is none, or the champion is served elsewhere.
    """
    champion = registry.champion_version(home, name)
    where = registry.load_serving_settings(home, name, champion).get("namespace", namespace) if champion else namespace
    if where != namespace:
        raise registry.NoRollbackTargetError(
            f"{name} version {champion} is champion in the namespace {where}: give --namespace {where}."
        )
    if champion and served not in (None, champion):
        tell(f"{name}: version {served} is there, which is not the champion; back to version {champion}, which is")
        return registry.resolve(home, f"{name}/{champion}")
    bundle = registry.previous_champion(home, name)
    tell(f"{name}: from version {champion} back to version {bundle.version}")
    return bundle


def kept_deploy_config(home: Home, bundle: RegisteredBundle, namespace: str) -> DeployConfig | None:
    """The settings with which a version was verified in a namespace, or None where they are not kept."""
    kept = registry.load_serving_settings(home, bundle.name, bundle.version)
    if kept.get("namespace") != namespace:
        return None
    try:
        return DeployConfig(**{key: kept[key] for key in REMEMBERED if key in kept})
    except (ConfigError, TypeError):  # a person wrote them
        return None


def kept_serve_config(home: Home, bundle: RegisteredBundle, namespace: str) -> ServeConfig:
    """The server's settings with which a version was verified in a namespace; the defaults where none are kept."""
    kept = registry.load_serving_settings(home, bundle.name, bundle.version)
    try:
        return serve_config(kept[SERVE]) if kept.get("namespace") == namespace else ServeConfig()
    except (ConfigError, KeyError, TypeError, AttributeError):  # an earlier version of Forebay or a person wrote them
        return ServeConfig()


def service(bundle: RegisteredBundle, config: DeployConfig, run_id: str, serve: ServeConfig = DEFAULT_SERVE) -> Object:
    """The InferenceService of a version.

    Raises:
        ConfigError: the name is not allowed in Kubernetes.
        DeployError: the cluster's pods cannot fetch the model from where the registry keeps it.
        ModelError: the bundle lacks the signature that `FOREBAY_VERIFY_KEY` asks for; its server would refuse it too.
    """
    verify_if_required(bundle.folder)
    spec = read_spec(bundle.folder)
    return inference_service(
        ModelDeployment(
            name=bundle.name,
            namespace=config.namespace,
            version=bundle.version,
            storage_uri=storage_uri(bundle.uri),
            weights_sha256=bundle.weights_sha256,
            bundle_digest=bundle.record.digest if bundle.record else "",
            data_digest=str(spec.data.get("digest", "")),
            code_version=str(spec.lineage.get("code_version", "")),
            run_id=run_id,
            replicas=config.replicas,
            variables=serve_variables(asdict(_with_own_names(serve, bundle.name, config.namespace))),
            resources=ServerResources(
                memory=config.memory, memory_limit=config.memory, gpus=config.gpus, gpu_resource=config.gpu_resource
            ),
        )
    )


def _with_own_names(serve: ServeConfig, name: str, namespace: str) -> ServeConfig:
    """Add the service's names inside the cluster, where the server refuses other hosts than those that are named."""
    if not serve.hosts or ANY in serve.names:
        return serve
    ends = (f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    own = [f"{start}{end}" for start in (name, f"{name}-predictor") for end in ("", *ends)]
    return replace(serve, hosts=",".join([serve.hosts, *own]))


def storage_uri(uri: str) -> str:
    """The address from which a cluster's pods fetch a model that the registry keeps.

    Raises:
        DeployError: pods cannot read that address.
    """
    store = os.environ.get(MODEL_STORE, "").rstrip("/")
    if uri.startswith(PROXIED) and store:
        return f"{store}/{uri.removeprefix(PROXIED).lstrip('/')}"
    if uri.partition("://")[0] in FETCHED:
        return uri
    raise DeployError(
        f"The model's files are at {uri}, and pods of a cluster fetch them from {', '.join(FETCHED)} only. Let MLflow "
        f"keep its artifacts in an object store; where its server hands them out ({PROXIED}), name the store that it "
        f"keeps them in, {MODEL_STORE}=s3://BUCKET (the chart does)."
    )


def _connect(tell: Tell, timeouts: ClusterTimeouts) -> tuple[KubeClient, RetryBudget]:
    """A connection, and a budget of the same length for requests to the registry."""
    api = connect(retry_budget=timeouts.retry_budget(BACKGROUND_RETRY_S, tell), timeouts=timeouts.api)
    return api, timeouts.retry_budget(BACKGROUND_RETRY_S, tell)


def _rollout(
    api: KubeClient, retry_budget: RetryBudget, home: Home, name: str, config: DeployConfig, run_id: str,
    timeouts: ClusterTimeouts,
) -> Rollout:  # fmt: skip
    def find() -> Object | None:
        """Fetches the champion's bundle, so it is called only where the champion does not answer."""
        bundle = registry.champion(home, name)
        kept = kept_deploy_config(home, bundle, config.namespace) if bundle else None
        if bundle is None or kept is None:
            return None
        verified_by = registry.load_serving_settings(home, name, bundle.version).get(RUN_ID, run_id)
        return service(bundle, kept, str(verified_by), kept_serve_config(home, bundle, config.namespace))

    def champion_service() -> Object | None:
        try:
            return retry_registry(retry_budget, find)
        except registry.registry_errors() as error:
            retry_budget.tell(f"How the champion of {name} was served is not known: {error}")
            return None

    return Rollout(
        api=api,
        limit_s=config.timeout_s,
        tell=retry_budget.tell,
        champion=lambda: retry_registry(retry_budget, partial(registry.champion_version, home, name)),
        champion_service=champion_service,
        registry_retries=retry_budget,
        timeouts=timeouts.rollout,
    )
