"""Checks of the Java that Spark will use."""

import os
import re
import subprocess
from pathlib import Path

from forebay.backend.check import REINSTALL, CheckResult, failed, passed
from forebay.ingest.spark.session import java_home
from forebay.state.process_environment import other_spark_variables, without_other_spark

MIN_JAVA = 17  # of Spark 4
START_TIMEOUT_S = 30.0
FIX = (
    f"Unset JAVA_HOME, so that the Java that came with the package is used, or set it to Java {MIN_JAVA} or newer. "
    f"Where it is unset: {REINSTALL}"
)


def spark_java() -> Path:
    """The `java` program that ingest starts Spark with."""
    return java_home() / "bin" / "java"


def java_present(program: Path) -> CheckResult:
    """There is such a program; costs nothing."""
    if os.access(program, os.X_OK):
        return passed("java", str(program))
    return failed("java", f"{program}, which Spark needs, does not exist or cannot be started", FIX)


def java_starts(program: Path) -> CheckResult:
    """The program really starts, and is new enough for Spark."""
    try:
        with without_other_spark():
            answer = subprocess.run(  # noqa: S603 - the same program that Spark starts
                [program, "-version"], capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed("java", f"{program} cannot be started: {error}", FIX)
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if answer.returncode or not found:
        words = " ".join((answer.stderr or answer.stdout).split())[:200]
        return failed("java", f"{program} -version ended with {answer.returncode}: {words}", FIX)
    if int(found[1]) < MIN_JAVA:
        return failed("java", f"{program} is Java {found[1]}, Spark needs {MIN_JAVA} or newer", FIX)
    return passed("java", f"Java {found[1]} at {program}")


def spark_environment() -> CheckResult:
    """What the shell says to another Spark; ours does not listen, which is worth knowing."""
    found = other_spark_variables()
    if not found:
        return passed("spark", "nothing in the environment is meant for another Spark or Java")
    return passed("spark", f"{', '.join(found)} set for another Spark or Java; the Spark of ingest does not see them")
