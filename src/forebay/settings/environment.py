"""Names of the environment variables: Forebay's own, and those of MLflow that more than one module reads.

Those of S3 stand in `object_store.variables`, those that the chart gives to steps in `settings.cluster_environment`.
"""

# Given by a person.
HOME_VARIABLE = "FOREBAY_HOME"  # the state folder
RUNNER_VARIABLE = "FOREBAY_RUNNER"  # what runs steps and server: a process or a container
HOST_VARIABLE = "FOREBAY_HOST"  # address that the server binds
PORT_VARIABLE = "FOREBAY_PORT"
DEBUG_VARIABLE = "FOREBAY_DEBUG"  # "1": show tracebacks
KFP_HOST_VARIABLE = "FOREBAY_KFP_HOST"  # address of Kubeflow Pipelines
KFP_HOST_VARIABLES = (KFP_HOST_VARIABLE, "KF_PIPELINES_ENDPOINT")  # the second is kfp's own; the first one set is taken
KFP_NAMESPACE_VARIABLE = "FOREBAY_KFP_NAMESPACE"
KFP_CA_VARIABLE = "FOREBAY_KFP_CA"  # certificates to trust
KFP_TOKEN_VARIABLE = "FOREBAY_KFP_TOKEN"  # noqa: S105 - the name of a variable
KFP_TOKEN_FILE_VARIABLE = "FOREBAY_KFP_TOKEN_FILE"  # noqa: S105 - the name of a variable
WEIGHTS_STORE_VARIABLE = "FOREBAY_WEIGHTS_STORE"  # folder or s3:// prefix of weights, asked before the hub
SERVE_PREFIX = "FOREBAY_SERVE_"  # before the name of a setting of `serve`

# The keys that sign and verify model bundles.
SIGNING_KEY = "FOREBAY_SIGNING_KEY"  # path of the private key, which register alone is given
SIGNING_PASSPHRASE = "FOREBAY_SIGNING_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable; empty where the key has none
VERIFY_KEY = "FOREBAY_VERIFY_KEY"  # path of the public keys, or their text: a server in a pod or container has no file

# Set by Forebay for the processes and containers that it starts.
EVENTS_VARIABLE = "FOREBAY_EVENTS"  # the file to which steps append their events
FRESH_VARIABLE = "FOREBAY_FRESH"  # "1": forget checkpoints as well
CONTAINER_VARIABLE = "FOREBAY_CONTAINER"  # tells a server in a container the container's name
SUPERVISOR_VARIABLE = "FOREBAY_SUPERVISOR_PID"
IMAGE_WEIGHTS_VARIABLE = "FOREBAY_IMAGE_WEIGHTS"  # the container image train holds it: its own folder of weights
IMAGE_VARIABLE = "FOREBAY_IMAGE"  # our container images hold it: their own name
API_CERTIFICATE_VARIABLE = "FOREBAY_DOCTOR_CA"  # file with the certificate of the Kubernetes API server

# MLflow's own.
MLFLOW_URI = "MLFLOW_TRACKING_URI"
MLFLOW_USERNAME = "MLFLOW_TRACKING_USERNAME"
MLFLOW_PASSWORD = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105 - the name of a variable
MLFLOW_TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the name of a variable
MLFLOW_CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
MLFLOW_SERVER_CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
MLFLOW_RUN_ID = "MLFLOW_RUN_ID"  # a run that somebody began for this process: Kubeflow Pipelines' MLflow integration
MLFLOW_NO_TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"
MLFLOW_MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
MLFLOW_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
