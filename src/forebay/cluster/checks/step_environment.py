"""Checks of the settings and keys that the chart gives to steps and servers; their values are never kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks import workloads
from forebay.cluster.checks.inspected_cluster import CONFIG_MAPS, MODELS, RUNTIMES, SECRETS, InspectedCluster, run_check
from forebay.cluster.rollout.inference_service import SERVING_RUNTIME
from forebay.kube.resource_types import ResourceType
from forebay.object_store.variables import ENDPOINT
from forebay.settings.cluster_environment import (
    CHECKPOINT_STORE,
    MLFLOW_ADDRESS_KEYS,
    MLFLOW_LOGIN_KEYS,
    MODEL_STORE,
    MODELS_STORE_SECRET,
    SIGNING_KEY,
    SIGNING_KEY_FILE,
    SIGNING_SECRET,
    SPARK_ACCOUNT,
    STEP_ENVIRONMENT,
    STORE_ADDRESS_KEYS,
    STORE_LOGIN_KEYS,
    VERIFY_KEY,
    WEIGHTS_STORE,
    WORK_STORE,
)
from forebay.settings.namespaces import PIPELINES

STORE_VARIABLES = (MODEL_STORE, CHECKPOINT_STORE, WORK_STORE)
# set with spark.enabled, signing.enabled, signing.verifyKeys; training without weights needs no store of them
OPTIONAL_KEYS = (SPARK_ACCOUNT, SIGNING_KEY, VERIFY_KEY, WEIGHTS_STORE)
CONFIG_KEYS = (*MLFLOW_ADDRESS_KEYS, *STORE_VARIABLES, *(key for key in STORE_ADDRESS_KEYS if key != ENDPOINT))


@dataclass(frozen=True)
class RequiredObject:
    """An object, and the keys that it must hold."""

    check: str  # name of the check
    resource: ResourceType
    kind: str
    namespace: str
    name: str
    keys: tuple[str, ...]
    store_keys: tuple[str, ...] = ()  # keys that are needed only where the store asks for them


REQUIRED_OBJECTS = (
    RequiredObject("settings", CONFIG_MAPS, "ConfigMap", PIPELINES, STEP_ENVIRONMENT, CONFIG_KEYS, (ENDPOINT,)),
    RequiredObject("keys", SECRETS, "Secret", PIPELINES, STEP_ENVIRONMENT, MLFLOW_LOGIN_KEYS, STORE_LOGIN_KEYS),
    RequiredObject("keys", SECRETS, "Secret", MODELS, MODELS_STORE_SECRET, (), STORE_LOGIN_KEYS),
)


def environment_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """The objects that steps and servers take their environment from, the serving runtime, and the signing key."""
    for required in REQUIRED_OBJECTS:
        yield run_check(required.check, partial(_required_object, cluster, required))
    yield run_check("runtime", partial(_runtime, cluster))
    yield run_check("signing", partial(_signing, cluster))


def _required_object(cluster: InspectedCluster, required: RequiredObject) -> CheckResult:
    where = f"{required.kind} {required.name} in {required.namespace}"
    found = cluster.api.data_keys(required.resource, required.namespace, required.name)
    chart = f"The chart writes it (pipelines.enabled): {cluster.install_command} installs it again."
    has_own_store = workloads.has_own_store(cluster)
    if found is None and not required.keys and not has_own_store:
        return passed(required.check, f"no {where}; servers need it only where the store asks for keys")
    if found is None:
        return failed(required.check, f"there is no {where}", chart)
    absent = [key for key in (*required.keys, *(required.store_keys if has_own_store else ())) if key not in found]
    if absent:
        add = cluster.kubectl(f"edit {required.kind.lower()} {required.name} --namespace {required.namespace}")
        return failed(required.check, f"{where} has no {', '.join(absent)}", f"{chart} Or add them by hand: {add}.")
    unset = [key for key in required.store_keys if key not in found]
    note = f"; without {', '.join(unset)}, as for a store of the cloud" if unset else ""
    return passed(required.check, f"{where} holds {', '.join(sorted(found)) or 'nothing'}{note}")


def _signing(cluster: InspectedCluster) -> CheckResult:
    if SIGNING_KEY not in (cluster.api.data_keys(CONFIG_MAPS, PIPELINES, STEP_ENVIRONMENT) or ()):
        return passed("signing", "register signs no models (signing.enabled)")
    where = f"Secret {SIGNING_SECRET} in {PIPELINES}"
    if SIGNING_KEY_FILE in (cluster.api.data_keys(SECRETS, PIPELINES, SIGNING_SECRET) or ()):
        return passed("signing", f"register signs models with the key of the {where}")
    create = f"create secret generic {SIGNING_SECRET} --namespace {PIPELINES} --from-file={SIGNING_KEY_FILE}"
    return failed(
        "signing",
        f"register is to sign models, and there is no {where} with the key {SIGNING_KEY_FILE}",
        f"Write it: {cluster.kubectl(create)}; docs/signing.md shows how the key is made.",
    )


def _runtime(cluster: InspectedCluster) -> CheckResult:
    if cluster.api.find(RUNTIMES, MODELS, SERVING_RUNTIME) is not None:
        return passed("runtime", f"ServingRuntime {SERVING_RUNTIME} in {MODELS}")
    return failed(
        "runtime",
        f"there is no ServingRuntime {SERVING_RUNTIME} in {MODELS}, and every model is served by it",
        f"The chart brings it: {cluster.install_command} installs it again.",
    )
