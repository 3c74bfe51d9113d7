"""A container's environment variables from the ConfigMap and the Secret that the chart gives to steps."""

from collections.abc import Iterable

from forebay.kube.resource_types import Object
from forebay.settings.cluster_environment import STEP_ENVIRONMENT


def variables_from_chart(config_keys: Iterable[str], secret_keys: Iterable[str]) -> list[Object]:
    """Variables that are named like their keys.

    A key that is absent gives no variable: AWS needs no address of a store, and a pod with an identity needs no keys.
    """
    sources = (("configMapKeyRef", config_keys), ("secretKeyRef", secret_keys))
    return [
        {"name": key, "valueFrom": {source: {"name": STEP_ENVIRONMENT, "key": key, "optional": True}}}
        for source, keys in sources
        for key in keys
    ]
