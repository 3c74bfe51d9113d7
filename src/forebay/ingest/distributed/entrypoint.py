"""First process of the Spark container image: Spark on Kubernetes passes `driver …` or `executor`, a person a command.

The contract is that of Spark's own image: the role comes as arguments, everything else in variables whose names begin
with SPARK_. Java is the one that the package brings, and Spark's home is the package itself.
"""

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from forebay.ingest.spark.java import JVM_OPTIONS, VECTOR_MODULE_OPTION, java_home, wrap_java
from forebay.ingest.spark.passwd_entry import ensure_username

EXECUTOR_CLASS = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
OPTION = re.compile(r"SPARK_JAVA_OPT_(\d+)")


def driver_command(arguments: Sequence[str], home: Path, environment: Mapping[str, str]) -> list[str]:
    """The command that starts the driver: Spark's own submission, in this pod."""
    address = environment.get("SPARK_DRIVER_BIND_ADDRESS")
    bind = ["--conf", f"spark.driver.bindAddress={address}"] if address else []
    return [str(home / "bin" / "spark-submit"), *bind, "--deploy-mode", "client", *arguments]


def executor_command(home: Path, java: Path, environment: Mapping[str, str]) -> list[str]:
    """The command that starts an executor.

    Raises:
        KeyError: Spark did not set a variable that identifies the executor.
    """
    numbered = {int(found[1]): value for name, value in environment.items() if (found := OPTION.fullmatch(name))}
    options = [numbered[number] for number in sorted(numbered) if numbered[number] != VECTOR_MODULE_OPTION]
    memory = environment["SPARK_EXECUTOR_MEMORY"]
    jars = [
        environment.get("SPARK_CONF_DIR") or "",
        str(home / "jars" / "*"),
        environment.get("SPARK_EXTRA_CLASSPATH") or "",
    ]
    variables = {
        "--driver-url": "SPARK_DRIVER_URL",
        "--executor-id": "SPARK_EXECUTOR_ID",
        "--cores": "SPARK_EXECUTOR_CORES",
        "--app-id": "SPARK_APPLICATION_ID",
        "--hostname": "SPARK_EXECUTOR_POD_IP",
        "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
        "--podName": "SPARK_EXECUTOR_POD_NAME",
    }
    options_of_executor = [word for option, name in variables.items() for word in (option, environment[name])]
    return [
        str(java / "bin" / "java"), *options, f"-Xms{memory}", f"-Xmx{memory}", "-cp", ":".join(filter(None, jars)),
        EXECUTOR_CLASS, *options_of_executor,
    ]  # fmt: skip


def main() -> None:
    """Replace this process by what the arguments ask for."""
    import pyspark

    role, arguments = (sys.argv[1] if sys.argv[1:] else ""), sys.argv[2:]
    home = Path(pyspark.__file__).parent
    if role == "driver":
        _set_up(home)
        command = driver_command(arguments, home, os.environ)
    elif role == "executor":
        _set_up(home)
        command = executor_command(home, java_home(), os.environ)
    else:
        command = sys.argv[1:] or [sys.executable]
    os.execvp(command[0], command)  # noqa: S606 - it replaces this process, so that signals reach it


def _set_up(home: Path) -> None:
    ensure_username()
    work = Path(tempfile.mkdtemp(prefix="forebay-spark-"))
    os.environ |= {
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(wrap_java(java_home(), work)),
        "SPARK_LAUNCHER_OPTS": JVM_OPTIONS,
        "PYSPARK_PYTHON": sys.executable,
    }


if __name__ == "__main__":
    main()
