"""The quick checks before a run: they report now, with the fix, what would stop it minutes later."""

from pathlib import Path

from forebay import container_images
from forebay.backend.check import require_passed
from forebay.local.checks.java import java_present, spark_java
from forebay.local.checks.machine import free_disk, step_interpreter
from forebay.local.checks.signing import check_keys
from forebay.local.containers import engine
from forebay.local.containers.step_environment import check_container_environment
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from forebay.state import Home


def check_before_run(home: Home, options: ServerOptions) -> None:
    """Check what is most often missing or busy, within milliseconds; `forebay doctor` checks everything.

    Args:
        home: the state folder, open.
        options: where the server would listen if this state folder has none yet, and what runs the steps.

    Raises:
        ConfigError: there is no such address, or a key that signs or verifies models cannot be used.
        MachineError: the disk is full, the environment is broken, Java is missing, the port is taken, containers
            cannot be run, or models cannot be signed or verified here.
    """
    require_passed(step_interpreter())
    require_passed(free_disk(home.root))
    if options.runner == "docker":
        check_container_environment()
        engine.check_engine(container_images.RUN_IMAGES)
    else:
        require_passed(java_present(spark_java()))
    check_keys(home, installed=options.runner != "docker")
    control.check_can_start(home, options.host, options.port)


def check_before_steps(out: Path, *, spark: bool) -> None:
    """Check the same before single steps outside a run.

    Args:
        out: the folder that they will write; it need not exist yet.
        spark: whether ingest is one of them.

    Raises:
        MachineError: the disk is full, or Java is missing.
    """
    require_passed(free_disk(out.absolute()))
    if spark:
        require_passed(java_present(spark_java()))
