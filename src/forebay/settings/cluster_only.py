"""Settings that only a cluster can follow. A command line that runs the steps refuses them before anything starts."""

from collections.abc import Mapping
from typing import Any

from forebay.errors import ConfigError

CLUSTER_SETTINGS = {  # key: (value for one machine, what every other value needs)
    "ingest.executors": (0, "the Spark Operator of a cluster (`forebay up --with spark-operator`)"),
    "train.nodes": (1, "Kubeflow Trainer of a cluster (`forebay up --with trainer`)"),
}


def check_local_settings(values: Mapping[str, Any]) -> None:
    """Refuse settings that need a cluster.

    Args:
        values: by key.

    Raises:
        ConfigError: names the first one.
    """
    for key, (local_value, needed) in CLUSTER_SETTINGS.items():
        if values.get(key, local_value) != local_value:
            raise ConfigError(
                f"{key}={values[key]} needs {needed}, and here the steps run on this machine. "
                f"Set {key}={local_value}, or give the run to a cluster with `forebay submit`."
            )
