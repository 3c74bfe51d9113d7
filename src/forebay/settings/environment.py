"""Names of the environment variables that more than one package reads."""

# The signing keys of model bundles.
SIGNING_KEY = "FOREBAY_SIGNING_KEY"  # path of the private key, which register alone is given
SIGNING_PASSPHRASE = "FOREBAY_SIGNING_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable; empty where the key has none
VERIFY_KEY = "FOREBAY_VERIFY_KEY"  # path of the public keys, or their text: a server in a pod or container has no file

# MLflow's own.
MLFLOW_URI = "MLFLOW_TRACKING_URI"
MLFLOW_USERNAME = "MLFLOW_TRACKING_USERNAME"
MLFLOW_PASSWORD = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105 - the name of a variable
MLFLOW_RUN_ID = "MLFLOW_RUN_ID"  # a run that somebody began for this process: Kubeflow Pipelines' MLflow integration
