"""How long the train step waits for others."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainTimeouts:
    """Seconds that the train step waits for the checkpoint store and for MLflow."""

    upload_on_stop_s: float = 15.0  # Kubernetes grants a pod thirty seconds after a stop request
    upload_at_end_s: float = 60.0
    mlflow_at_end_s: float = 60.0
    mlflow_on_failure_s: float = 5.0
