"""Checks of the Java that Spark will use."""

import os
import re
import subprocess
from pathlib import Path

from forebay.backend.check import REINSTALL, CheckResult, failed, passed
from forebay.ingest.spark.java import JAVA_HOME_ADVICE, MIN_JAVA, java_home
from forebay.state.process_environment import other_spark_variables, without_other_spark

START_TIMEOUT_S = 30.0
JAVA_FIX = f"{JAVA_HOME_ADVICE}. Where it is unset: {REINSTALL}"


def spark_java() -> Path:
    """The `java` program that ingest starts Spark with."""
    return java_home() / "bin" / "java"


def java_present(program: Path) -> CheckResult:
    """The program exists; this check takes no time."""
    if os.access(program, os.X_OK):
        return passed("java", str(program))
    return failed("java", f"{program}, which Spark needs, does not exist or cannot be started", JAVA_FIX)


def java_starts(program: Path) -> CheckResult:
    """The program starts, and is new enough for Spark."""
    try:
        with without_other_spark():
            result = subprocess.run(  # noqa: S603 - the same program that Spark starts
                [program, "-version"], capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed("java", f"{program} cannot be started: {error}", JAVA_FIX)
    version = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    if result.returncode or not version:
        message = " ".join((result.stderr or result.stdout).split())[:200]
        return failed("java", f"{program} -version ended with {result.returncode}: {message}", JAVA_FIX)
    if int(version[1]) < MIN_JAVA:
        return failed("java", f"{program} is Java {version[1]}, Spark needs {MIN_JAVA} or newer", JAVA_FIX)
    return passed("java", f"Java {version[1]} at {program}")


def spark_environment() -> CheckResult:
    """Which variables are set for another Spark; ours ignores them, which a person may want to know."""
    variables = other_spark_variables()
    if not variables:
        return passed("spark", "nothing in the environment is meant for another Spark or Java")
    return passed(
        "spark", f"{', '.join(variables)} set for another Spark or Java; the Spark of ingest does not see them"
    )
