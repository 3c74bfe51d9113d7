"""A container's environment variables from the ConfigMap and the Secret that the chart gives to steps."""

from collections.abc import Iterable

from forebay.kube.client import Object
from forebay.settings.cluster_environment import GIVEN


def variables(plain: Iterable[str], secret: Iterable[str]) -> list[Object]:
    """A container's variables of the same names; a key that is not there gives none (AWS itself, a pod's identity)."""
    kinds = (("configMapKeyRef", plain), ("secretKeyRef", secret))
    return [
        {"name": key, "valueFrom": {kind: {"name": GIVEN, "key": key, "optional": True}}}
        for kind, keys in kinds
        for key in keys
    ]
