"""First process of the Spark image: what Spark on Kubernetes asks for, and commands as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.ingest.distributed.entrypoint import driver_command, executor_command

HOME, JAVA = Path("/spark"), Path("/java")
EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:1",
    "SPARK_EXECUTOR_ID": "1",
    "SPARK_EXECUTOR_CORES": "1",
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
    "SPARK_EXECUTOR_POD_NAME": "exec-1",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_CONF_DIR": "/opt/spark/conf",
}


def run(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "forebay.ingest.distributed.entrypoint", *words]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_driver_is_submitted_in_its_own_pod_and_listens_where_spark_says() -> None:
    words = ["--properties-file", "/opt/spark/conf/spark.properties", "--class", "C", "local:///driver.py", "s3://b/w"]
    assert driver_command(words, HOME, {"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.7"}) == [
        "/spark/bin/spark-submit", "--conf", "spark.driver.bindAddress=10.0.0.7", "--deploy-mode", "client", *words,
    ]  # fmt: skip


def test_an_executor_gets_its_options_in_order_without_the_module_that_this_java_lacks() -> None:
    options = {f"SPARK_JAVA_OPT_{number}": f"-Dnumber={number}" for number in range(11)}
    options["SPARK_JAVA_OPT_3"] = "--add-modules=jdk.incubator.vector"
    assert executor_command(HOME, JAVA, EXECUTOR | options) == [
        "/java/bin/java", *(f"-Dnumber={number}" for number in range(11) if number != 3), "-Xms512m", "-Xmx512m",
        "-cp", "/opt/spark/conf:/spark/jars/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url", "spark://CoarseGrainedScheduler@127.0.0.1:1", "--executor-id", "1", "--cores", "1",
        "--app-id", "spark-1", "--hostname", "127.0.0.1", "--resourceProfileId", "0", "--podName", "exec-1",
    ]  # fmt: skip


def test_sparks_own_backend_takes_these_words_and_looks_for_its_driver() -> None:
    """The class is in the package, and nothing that it needs to start is missing."""
    done = run("executor", **EXECUTOR)
    assert done.returncode != 0
    assert "Failed to connect to /127.0.0.1:1" in done.stdout + done.stderr
    assert "Unrecognized options" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("echo", "two  words"), (sys.executable, "-c", "print('two  words')")])
def test_any_other_words_are_the_command_itself(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (0, "two  words\n")
    assert run(sys.executable, "-c", "raise SystemExit(7)").returncode == 7
