"""A Spark driver as its pod runs it: our entrypoint, with the arguments and settings that the operator hands on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyspark

Object = dict[str, Any]


def own_spark(folder: Path) -> Path:
    """A folder for PYTHONPATH in which Spark's package is links to the installed one.

    Spark's small cluster writes into Spark's home; this one is the test's own.
    """
    (folder / "pyspark").mkdir(parents=True)
    for entry in Path(pyspark.__file__).parent.iterdir():
        if entry.name != "work":
            (folder / "pyspark" / entry.name).symlink_to(entry)
    return folder


def run_driver(
    application: Object, folder: Path, master: str, environment: dict[str, str], program: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the driver of a SparkApplication to its end.

    Args:
        application: as the step makes it.
        folder: existing, for what Spark on Kubernetes would mount.
        master: in place of the cluster's: `local[2]`, or `local-cluster[2,1,1024]` for executors of their own.
        environment: what the pod's template would give.
        program: in place of the application's own.
    """
    spec = application["spec"]
    # The cluster makes the secret itself; these masters want to be told it.
    settings = {**spec["sparkConf"], "spark.authenticate.secret": "not-a-secret", "spark.executor.memory": "600m"}
    (folder / "spark.properties").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    words = [
        "driver", "--master", master, "--properties-file", str(folder / "spark.properties"),
        "--class", "org.apache.spark.deploy.PythonRunner",
        f"local://{program}" if program else spec["mainApplicationFile"], *spec["arguments"],
    ]  # fmt: skip
    given = {
        "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder),
        "SPARK_CONF_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(own_spark(folder / "spark")), *filter(None, sys.path)]),
    }
    return subprocess.run(
        [sys.executable, "-m", "forebay.ingest.distributed.entrypoint", *words],
        env={**os.environ, **environment, **given}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
