"""Checks of what the chart gives to steps and servers: where things are, and the keys to them; values are let go."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks import workloads
from forebay.cluster.checks.place import CONFIG_MAPS, MODELS, RUNTIMES, SECRETS, Place, guarded
from forebay.cluster.rollout.inference_service import SERVING_RUNTIME
from forebay.kube.resource_types import ResourceType
from forebay.object_store.variables import ENDPOINT
from forebay.settings.cluster_environment import (
    CHECKPOINT_STORE,
    MLFLOW,
    MLFLOW_LOGIN,
    MODEL_STORE,
    SIGNING_KEY,
    SIGNING_KEY_FILE,
    SIGNING_SECRET,
    SPARK_ACCOUNT,
    STEP_ENVIRONMENT,
    STORE,
    STORE_KEYS,
    VERIFY_KEY,
    WORK_STORE,
)
from forebay.settings.namespaces import PIPELINES

MODELS_STORE = "forebay-models-store"  # Secret by which servers fetch models
STORES = (MODEL_STORE, CHECKPOINT_STORE, WORK_STORE)
UNASKED = (SPARK_ACCOUNT, SIGNING_KEY, VERIFY_KEY)  # there with spark.enabled, signing.enabled, signing.verifyKeys
PLAIN = (*MLFLOW, *STORES, *(key for key in STORE if key != ENDPOINT))


@dataclass(frozen=True)
class Held:
    """An object, and the keys that it has to hold."""

    name: str  # of the check
    resource: ResourceType
    kind: str
    namespace: str
    object: str
    keys: tuple[str, ...]
    store: tuple[str, ...] = ()  # keys that it holds only where the store asks for them


HELD = (
    Held("settings", CONFIG_MAPS, "ConfigMap", PIPELINES, STEP_ENVIRONMENT, PLAIN, (ENDPOINT,)),
    Held("keys", SECRETS, "Secret", PIPELINES, STEP_ENVIRONMENT, MLFLOW_LOGIN, STORE_KEYS),
    Held("keys", SECRETS, "Secret", MODELS, MODELS_STORE, (), STORE_KEYS),
)


def given(place: Place) -> Iterator[CheckResult]:
    """The objects that steps and servers take their environment from, and the server's runtime."""
    for held in HELD:
        yield guarded(held.name, partial(_held, place, held))
    yield guarded("runtime", partial(_runtime, place))
    yield guarded("signing", partial(_signing, place))


def _held(place: Place, held: Held) -> CheckResult:
    where = f"{held.kind} {held.object} in {held.namespace}"
    found = place.api.data_keys(held.resource, held.namespace, held.object)
    chart = f"The chart writes it (pipelines.enabled): {place.up} installs it again."
    own = workloads.own_store(place)
    if found is None and not held.keys and not own:
        return passed(held.name, f"no {where}; servers need it only where the store asks for keys")
    if found is None:
        return failed(held.name, f"there is no {where}", chart)
    absent = [key for key in (*held.keys, *(held.store if own else ())) if key not in found]
    if absent:
        add = place.kubectl(f"edit {held.kind.lower()} {held.object} --namespace {held.namespace}")
        return failed(held.name, f"{where} has no {', '.join(absent)}", f"{chart} Or add them by hand: {add}.")
    unset = [key for key in held.store if key not in found]
    note = f"; without {', '.join(unset)}, as for a store of a cloud's own" if unset else ""
    return passed(held.name, f"{where} holds {', '.join(sorted(found)) or 'nothing'}{note}")


def _signing(place: Place) -> CheckResult:
    if SIGNING_KEY not in (place.api.data_keys(CONFIG_MAPS, PIPELINES, STEP_ENVIRONMENT) or ()):
        return passed("signing", "register signs no models (signing.enabled)")
    where = f"Secret {SIGNING_SECRET} in {PIPELINES}"
    if SIGNING_KEY_FILE in (place.api.data_keys(SECRETS, PIPELINES, SIGNING_SECRET) or ()):
        return passed("signing", f"register signs models by the key of the {where}")
    create = f"create secret generic {SIGNING_SECRET} --namespace {PIPELINES} --from-file={SIGNING_KEY_FILE}"
    return failed(
        "signing",
        f"register is to sign models, and there is no {where} with the key {SIGNING_KEY_FILE}",
        f"Write it: {place.kubectl(create)}; docs/signing.md shows how the key is made.",
    )


def _runtime(place: Place) -> CheckResult:
    if place.api.find(RUNTIMES, MODELS, SERVING_RUNTIME) is not None:
        return passed("runtime", f"ServingRuntime {SERVING_RUNTIME} in {MODELS}")
    return failed(
        "runtime",
        f"there is no ServingRuntime {SERVING_RUNTIME} in {MODELS}, and every model is served by it",
        f"The chart brings it: {place.up} installs it again.",
    )
