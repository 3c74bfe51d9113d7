"""Registered versions on a cluster: what each one's InferenceService is, put up by a deployment or by a rollback."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

from forebay import registry
from forebay.cluster.rollout.inference_service import VERSION_LABEL, Deployment, Resources, inference_service
from forebay.cluster.rollout.registry_retries import insist
from forebay.cluster.rollout.rollout import Object, Rollout
from forebay.contracts.bundles.spec import read_spec
from forebay.deploy.smoke import Smoke, check_answers
from forebay.errors import ConfigError, DeployError
from forebay.kube.client import INFERENCE_SERVICES, Api, connect
from forebay.kube.retries import WORK_S, Patience
from forebay.registry import RegisteredBundle
from forebay.serving.client import predict_url
from forebay.settings import DeployConfig, ServeConfig
from forebay.settings.cluster_environment import MODEL_STORE
from forebay.settings.serve import ANY, DEFAULT_SERVE, serve_config, serve_variables
from forebay.signing import verify_if_required
from forebay.state import Home

PROXIED = "mlflow-artifacts:"
FETCHED = ("s3", "gs", "https")  # by KServe's storage initializer
# Settings by which a version is served again.
REMEMBERED = ("namespace", "replicas", "memory", "gpus", "gpu_resource", "timeout_s")
SERVE = "serve"  # its settings, kept with them
RUN_ID = "run_id"  # kept with them: it is on the pods, and makes them others

Tell = Callable[[str], None]


def resolve_patiently(home: Home, reference: str, tell: Tell) -> RegisteredBundle:
    """As `registry.resolve`; a registry that is away for a moment is asked again."""
    return insist(Patience(WORK_S, tell), partial(registry.resolve, home, reference))


def roll_out(
    home: Home, bundle: RegisteredBundle, smoke: Smoke, config: DeployConfig, run_id: str, tell: Tell,
    serve: ServeConfig = DEFAULT_SERVE,
) -> str:  # fmt: skip
    """Serve a version, compare its answers and make it champion; the URL of its V1 predict path.

    Raises:
        DeployError: it did not come up or answered otherwise; what was served before is served again.
        ConfigError: there is no cluster to talk to, or the name cannot be one there.
    """
    wanted = service(bundle, config, run_id, serve)
    api, patience = _connected(tell)

    def promote() -> None:
        settings = {key: getattr(config, key) for key in REMEMBERED} | {SERVE: asdict(serve)}
        kept = settings | {RUN_ID: run_id}
        insist(patience, partial(registry.remember_served, home, bundle.name, bundle.version, kept))
        insist(patience, partial(registry.set_champion, home, bundle.name, bundle.version))

    prove = partial(smoke.check, name=bundle.name, timeout_s=float(config.timeout_s))
    rollout = _rollout(api, patience, home, bundle.name, config, run_id)
    return predict_url(rollout.run(wanted, prove, promote), bundle.name)


def roll_back(home: Home, name: str, namespace: str, run_id: str, tell: Tell) -> tuple[str, str]:
    """Serve the version that was champion before the present one, the way it was served then.

    Where another version than the champion is served, which a rollout left that could not end, the champion is served
    again instead.

    Args:
        name: of the registered model.
        namespace: of its InferenceService.
        run_id: for the service's annotation.

    Returns:
        The version, and the URL of its V1 predict path.

    Raises:
        ModelError: there is none, or the champion is served elsewhere.
        DeployError: it did not come up or does not answer; what was served before is served again.
    """
    api, patience = _connected(tell)
    served = _served_version(api, namespace, name)
    bundle = insist(patience, partial(_version_before, home, name, namespace, served, tell))
    if bundle.note:
        tell(bundle.note)
    config = insist(patience, partial(remembered, home, bundle, namespace))
    if config is None:
        config = DeployConfig(namespace=namespace)
        tell(f"How version {bundle.version} was served in {namespace} is not kept; it gets what a new model gets.")
    spec = read_spec(bundle.folder)
    shape_HWC = (spec.height, spec.width, spec.channels)
    prove = partial(
        check_answers, name=name, version=bundle.version, shape_HWC=shape_HWC, classes=len(spec.classes),
        timeout_s=float(config.timeout_s),
    )  # fmt: skip
    serve = insist(patience, partial(remembered_serve, home, bundle, namespace))
    promote = partial(insist, patience, partial(registry.set_champion, home, name, bundle.version, back=True))
    rollout = _rollout(api, patience, home, name, config, run_id)
    url = rollout.run(service(bundle, config, run_id, serve), prove, promote)
    return bundle.version, predict_url(url, name)


def _served_version(api: Api, namespace: str, name: str) -> str | None:
    """The version that the model's InferenceService names; None where there is none of ours."""
    present = api.find(INFERENCE_SERVICES, namespace, name) or {"metadata": {}}
    return (present["metadata"].get("labels") or {}).get(VERSION_LABEL)


def _version_before(home: Home, name: str, namespace: str, served: str | None, tell: Tell) -> RegisteredBundle:
    """Where a rollback goes.

    Raises:
        ModelError: nowhere, or the champion is served elsewhere.
    """
    champion = registry.champion_version(home, name)
    where = registry.remembered_served(home, name, champion).get("namespace", namespace) if champion else namespace
    if where != namespace:
        raise registry.RollbackTargetError(
            f"{name} version {champion} is champion in the namespace {where}: give --namespace {where}."
        )
    if champion and served not in (None, champion):
        tell(f"{name}: version {served} is there, which is not the champion; back to version {champion}, which is")
        return registry.resolve(home, f"{name}/{champion}")
    bundle = registry.previous_champion(home, name)
    tell(f"{name}: from version {champion} back to version {bundle.version}")
    return bundle


def remembered(home: Home, bundle: RegisteredBundle, namespace: str) -> DeployConfig | None:
    """The settings with which a version was proved in a namespace, or None where none of that one are kept."""
    kept = registry.remembered_served(home, bundle.name, bundle.version)
    if kept.get("namespace") != namespace:
        return None
    try:
        return DeployConfig(**{key: kept[key] for key in REMEMBERED if key in kept})
    except (ConfigError, TypeError):  # a person wrote it
        return None


def remembered_serve(home: Home, bundle: RegisteredBundle, namespace: str) -> ServeConfig:
    """The server's settings with which a version was proved in a namespace; the defaults where none are kept."""
    kept = registry.remembered_served(home, bundle.name, bundle.version)
    try:
        return serve_config(kept[SERVE]) if kept.get("namespace") == namespace else ServeConfig()
    except (ConfigError, KeyError, TypeError, AttributeError):  # an earlier version wrote it, or a person
        return ServeConfig()


def service(bundle: RegisteredBundle, config: DeployConfig, run_id: str, serve: ServeConfig = DEFAULT_SERVE) -> Object:
    """The InferenceService of a version.

    Raises:
        ConfigError: the name cannot be one in Kubernetes.
        DeployError: the cluster's pods cannot fetch the model from where the registry keeps it.
        ModelError: it is not signed as `FOREBAY_VERIFY_KEY` wants it; its server would refuse it as well.
    """
    verify_if_required(bundle.folder)
    spec = read_spec(bundle.folder)
    return inference_service(
        Deployment(
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
            resources=Resources(
                memory=config.memory, memory_limit=config.memory, gpus=config.gpus, gpu_resource=config.gpu_resource
            ),
        )
    )


def _with_own_names(serve: ServeConfig, name: str, namespace: str) -> ServeConfig:
    """With the names by which a cluster itself calls the service, where others than the given ones are refused."""
    if not serve.hosts or ANY in serve.names:
        return serve
    ends = (f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    own = [f"{start}{end}" for start in (name, f"{name}-predictor") for end in ("", *ends)]
    return replace(serve, hosts=",".join([serve.hosts, *own]))


def storage_uri(uri: str) -> str:
    """The address under which a cluster's pods fetch what the registry keeps.

    Raises:
        DeployError: they cannot reach it.
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


def _connected(tell: Tell) -> tuple[Api, Patience]:
    """A connection that bears an API server that is restarted, and as much patience with the registry."""
    return connect(bears=Patience(WORK_S, tell)), Patience(WORK_S, tell)


def _rollout(api: Api, patience: Patience, home: Home, name: str, config: DeployConfig, run_id: str) -> Rollout:
    def known() -> Object | None:
        """Fetches the champion's bundle, so it is asked for only where the champion does not answer."""
        bundle = registry.champion(home, name)
        kept = remembered(home, bundle, config.namespace) if bundle else None
        if bundle is None or kept is None:
            return None
        proved_by = registry.remembered_served(home, name, bundle.version).get(RUN_ID, run_id)
        return service(bundle, kept, str(proved_by), remembered_serve(home, bundle, config.namespace))

    def champions_service() -> Object | None:
        try:
            return insist(patience, known)
        except registry.failures() as error:
            patience.tell(f"How the champion of {name} was served is not known: {error}")
            return None

    return Rollout(
        api=api, timeout_s=config.timeout_s, tell=patience.tell, champions_service=champions_service,
        champion=lambda: insist(patience, partial(registry.champion_version, home, name)), registry_patience=patience,
    )  # fmt: skip
