"""Settings that only a cluster can follow: refused where a command line runs the steps, before anything starts."""

from collections.abc import Mapping
from typing import Any

from forebay.errors import ConfigError

NEEDS = {  # key: (value that needs none, what others need)
    "ingest.executors": (0, "the Spark Operator of a cluster (`forebay up --with spark-operator`)"),
    "train.nodes": (1, "Kubeflow Trainer of a cluster (`forebay up --with trainer`)"),
}


def check_for_this_machine(values: Mapping[str, Any]) -> None:
    """Refuse settings, by key, that this machine has nothing for.

    Raises:
        ConfigError: names the first one.
    """
    for key, (alone, what) in NEEDS.items():
        if values.get(key, alone) != alone:
            raise ConfigError(
                f"{key}={values[key]} needs {what}, and here the steps run on this machine. Set {key}={alone}, or "
                "give the run to a cluster with `forebay submit`."
            )
