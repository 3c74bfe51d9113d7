"""What the chart gives the steps on a cluster: a ConfigMap and a Secret whose keys are names of variables."""

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
MLFLOW_ADDRESS_KEYS = (MLFLOW_VARIABLES[environment.MLFLOW_URI],)
MLFLOW_LOGIN_KEYS = (MLFLOW_VARIABLES[environment.MLFLOW_USERNAME], MLFLOW_VARIABLES[environment.MLFLOW_PASSWORD])
STORE_ADDRESS_KEYS = (variables.ENDPOINT, variables.REGION, variables.REQUEST_CHECKSUM, variables.RESPONSE_CHECKSUM)
STORE_LOGIN_KEYS = variables.CREDENTIAL_VARIABLES  # absent where the pods' identity gives access
# Addresses in the store, each s3://BUCKET or s3://BUCKET/PREFIX, and what lies there:
MODEL_STORE = "FOREBAY_MODEL_STORE"  # the artifacts that MLflow's server hands out
CHECKPOINT_STORE = "FOREBAY_CHECKPOINT_STORE"  # a training's state, which outlives the pod
WORK_STORE = "FOREBAY_WORK_STORE"  # what tasks pass on to each other
WEIGHTS_STORE = environment.WEIGHTS_STORE_VARIABLE  # pretrained weights, asked for before the hub
# A person writes the Secret with the key that signs models; only register gets it. A key may have no passphrase.
SIGNING_SECRET = "forebay-signing"  # noqa: S105 - a name
SIGNING_KEY_FILE = "key.pem"  # the key of the Secret
SIGNING_FOLDER = "/run/forebay/signing"  # register's container has the Secret's keys here; SIGNING_KEY names the file
SIGNING_SECRET_VARIABLES = {"passphrase": environment.SIGNING_PASSPHRASE}
SIGNING_KEY = environment.SIGNING_KEY  # absent where nothing is signed
VERIFY_KEY = environment.VERIFY_KEY  # the public keys themselves; absent where nothing is verified
SPARK_ACCOUNT = "FOREBAY_SPARK_ACCOUNT"  # service account of Spark's driver and executors; absent where none is wanted
MODELS_STORE_SECRET = "forebay-models-store"  # noqa: S105 - the name of the Secret with which servers fetch models
