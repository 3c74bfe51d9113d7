"""The quick checks before a run: what would stop it minutes later is said now, with its fix."""

from pathlib import Path

from forebay import container_images
from forebay.backend.check import require_passed
from forebay.local.checks.java import java_present, spark_java
from forebay.local.checks.machine import free_disk, step_interpreter
from forebay.local.checks.signing import check_keys
from forebay.local.containers import client as containers
from forebay.local.containers.environment import check_environment
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from forebay.state import Home


def check_before_run(home: Home, options: ServerOptions) -> None:
    """Look at what is missing or busy most often; takes milliseconds. `forebay doctor` looks at everything.

    Args:
        home: the state folder, open.
        options: where the server would listen, should none of this state folder run yet, and what runs the steps.

    Raises:
        ConfigError: there is no such address, or a key that signs or verifies models cannot be used.
        MachineError: the disk is full, the environment is broken, Java is missing, the port is taken, containers
            cannot be run, or models cannot be signed or verified here.
    """
    require_passed(step_interpreter())
    require_passed(free_disk(home.root))
    if options.runner == "docker":
        check_environment()
        containers.check(container_images.RUN_IMAGES)
    else:
        require_passed(java_present(spark_java()))
    check_keys(home, installed=options.runner != "docker")
    control.check_can_start(home, options.host, options.port)


def check_before_steps(out: Path, *, spark: bool) -> None:
    """The same before single steps outside a run.

    Args:
        out: where they will write; need not exist yet.
        spark: whether ingest is one of them.

    Raises:
        MachineError: the disk is full, or Java is missing.
    """
    require_passed(free_disk(out.absolute()))
    if spark:
        require_passed(java_present(spark_java()))
