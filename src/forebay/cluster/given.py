"""What the chart gives the steps of a cluster: a ConfigMap and a Secret in their namespace, with these keys."""

from collections.abc import Iterable

from forebay.cluster.api import Object

GIVEN = "forebay-steps"  # name of both
MLFLOW = ("FOREBAY_MLFLOW_URI",)
MLFLOW_LOGIN = ("FOREBAY_MLFLOW_USERNAME", "FOREBAY_MLFLOW_PASSWORD")
STORE = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")
STORE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def variables(plain: Iterable[str], secret: Iterable[str]) -> list[Object]:
    """A container's variables of the same names; a key that is not there gives none (AWS itself, a pod's identity)."""
    kinds = (("configMapKeyRef", plain), ("secretKeyRef", secret))
    return [
        {"name": key, "valueFrom": {kind: {"name": GIVEN, "key": key, "optional": True}}}
        for kind, keys in kinds
        for key in keys
    ]
