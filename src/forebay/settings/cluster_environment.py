"""What the chart gives the steps of a cluster: a ConfigMap and a Secret in their namespace, with these keys."""

from collections.abc import Iterable

from forebay import tracking
from forebay.kube.client import Object
from forebay.state import key_variables

GIVEN = "forebay-steps"  # name of both
MLFLOW = (tracking.GIVEN[tracking.URI_VARIABLE],)
MLFLOW_LOGIN = tuple(name for variable, name in tracking.GIVEN.items() if variable != tracking.URI_VARIABLE)
ENDPOINT = "AWS_ENDPOINT_URL"  # absent where the store is AWS itself
STORE = (ENDPOINT, "AWS_REGION", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")
STORE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # absent where the pods' identity gives access
# Places in the store, each s3://BUCKET or s3://BUCKET/PREFIX:
MODEL_STORE = "FOREBAY_MODEL_STORE"  # where MLflow's server keeps the artifacts that it hands out
CHECKPOINT_STORE = "FOREBAY_CHECKPOINT_STORE"  # where a training's state survives its pod
WORK_STORE = "FOREBAY_WORK_STORE"  # where what tasks pass on to each other lies meanwhile
# What signs models: a Secret that a person writes, for register alone. Its passphrase is absent where the key has none.
SIGNING_SECRET = "forebay-signing"  # noqa: S105 - a name
SIGNING_KEY_FILE = "key.pem"  # the key of the Secret
SIGNING_FOLDER = "/run/forebay/signing"  # where its keys lie in register's container; SIGNING_KEY names the file there
SIGNING_PASSPHRASE = {"passphrase": key_variables.PASSPHRASE}
SIGNING_KEY = key_variables.SIGNING_KEY  # absent where nothing is signed
VERIFY_KEY = key_variables.VERIFY_KEY  # the public keys themselves; absent where nothing is verified
SPARK_ACCOUNT = "FOREBAY_SPARK_ACCOUNT"  # service account of Spark's driver and executors; absent where none is wanted


def variables(plain: Iterable[str], secret: Iterable[str]) -> list[Object]:
    """A container's variables of the same names; a key that is not there gives none (AWS itself, a pod's identity)."""
    kinds = (("configMapKeyRef", plain), ("secretKeyRef", secret))
    return [
        {"name": key, "valueFrom": {kind: {"name": GIVEN, "key": key, "optional": True}}}
        for kind, keys in kinds
        for key in keys
    ]
