"""What the chart gives the steps of a cluster: a ConfigMap and a Secret in their namespace, with these keys."""

from forebay.object_store import variables
from forebay.settings import environment

STEP_ENVIRONMENT = "forebay-steps"  # name of the ConfigMap and of the Secret
# The names differ from MLflow's own, because Kubeflow Pipelines' MLflow integration sets those, and a pod with one
# variable from two sources is refused.
MLFLOW_VARIABLES = {
    environment.MLFLOW_URI: "FOREBAY_MLFLOW_URI",
    environment.MLFLOW_USERNAME: "FOREBAY_MLFLOW_USERNAME",
    environment.MLFLOW_PASSWORD: "FOREBAY_MLFLOW_PASSWORD",
}
MLFLOW = (MLFLOW_VARIABLES[environment.MLFLOW_URI],)
MLFLOW_LOGIN = (MLFLOW_VARIABLES[environment.MLFLOW_USERNAME], MLFLOW_VARIABLES[environment.MLFLOW_PASSWORD])
STORE = (variables.ENDPOINT, variables.REGION, variables.REQUEST_CHECKSUM, variables.RESPONSE_CHECKSUM)
STORE_KEYS = variables.CREDENTIAL_VARIABLES  # absent where the pods' identity gives access
# Places in the store, each s3://BUCKET or s3://BUCKET/PREFIX:
MODEL_STORE = "FOREBAY_MODEL_STORE"  # where MLflow's server keeps the artifacts that it hands out
CHECKPOINT_STORE = "FOREBAY_CHECKPOINT_STORE"  # where a training's state survives its pod
WORK_STORE = "FOREBAY_WORK_STORE"  # where what tasks pass on to each other lies meanwhile
# What signs models: a Secret that a person writes, for register alone. Its passphrase is absent where the key has none.
SIGNING_SECRET = "forebay-signing"  # noqa: S105 - a name
SIGNING_KEY_FILE = "key.pem"  # the key of the Secret
SIGNING_FOLDER = "/run/forebay/signing"  # where its keys lie in register's container; SIGNING_KEY names the file there
SIGNING_PASSPHRASE = {"passphrase": environment.SIGNING_PASSPHRASE}
SIGNING_KEY = environment.SIGNING_KEY  # absent where nothing is signed
VERIFY_KEY = environment.VERIFY_KEY  # the public keys themselves; absent where nothing is verified
SPARK_ACCOUNT = "FOREBAY_SPARK_ACCOUNT"  # service account of Spark's driver and executors; absent where none is wanted
