"""All checks of `forebay doctor`, in the order in which a person would repair things."""

import os
from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.errors import ConfigError, MachineError
from forebay.local.checks import java, libraries, machine, s3_access, s3_store, signing
from forebay.local.server import control, server_status
from forebay.serving.ports import bind
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.settings.environment import HOME_VARIABLE
from forebay.signing import SIGNING_KEY, VERIFY_KEY
from forebay.state import Home
from forebay.state.home import FORMAT


def machine_checks(home: Home, host: str, port: int) -> Iterator[CheckResult]:
    """Check everything that a run needs; each check is made when its result is asked for.

    Args:
        home: the state folder, which need not exist yet.
        host, port: where the server would listen.
    """
    yield libraries.python_version()
    yield machine.step_interpreter()
    yield libraries.packages()
    yield libraries.hidden_modules()
    yield java.java_starts(java.spark_java())
    yield java.spark_environment()
    torch = libraries.torch_build()
    yield torch
    if torch.ok:
        yield libraries.processor()
    yield machine.free_memory()
    yield machine.free_disk(home.root)
    state = state_folder(home)
    yield state
    if state.ok:
        yield libraries.mlflow_store(home)
        yield server_port(home, host, port)
    yield s3_store.s3_store()
    if os.environ.get(SIGNING_KEY) or os.environ.get(VERIFY_KEY):
        yield signing.signing_keys()
    if os.environ.get(CHECKPOINT_STORE):
        yield s3_access.checkpoint_store()
    yield machine.clock()


def state_folder(home: Home) -> CheckResult:
    """The state folder has the right format and can be written."""
    test_file = home.root / ".doctor"
    try:
        home.open()
        test_file.write_bytes(b"")
        test_file.unlink()
    except ConfigError as error:
        return failed_with("state", error)
    except OSError as error:
        return failed(
            "state",
            f"{home.root} cannot be written: {error.strerror}",
            f"Become its owner (`chown -R $USER {home.root}`), or set {HOME_VARIABLE} to a folder that you can write.",
        )
    return passed("state", f"{home.root}, format {FORMAT}")


def server_port(home: Home, host: str, port: int) -> CheckResult:
    """The server of this state folder runs, or its port is free."""
    try:
        running = server_status.running_server(home)
        if running is not None:
            return passed("port", f"our server answers at {running.url}")
        if server_status.is_supervised(home):
            return passed("port", "our server is being started again; `forebay status` says why")
        control.check_can_start(home, host, port)
    except (ConfigError, MachineError) as error:
        return failed_with("port", error)
    return passed("port", f"{host}:{port} is free")


def require_free_port(host: str, port: int, setting: str) -> None:
    """Refuse an address at which no server could listen.

    Args:
        host, port: the address; port 0 is always free.
        setting: what a person changes to choose another port, for example `--port`.

    Raises:
        ConfigError: there is no such address.
        MachineError: the port is taken; the message names the setting and, where this user may see it, the process.
    """
    bind(host, port, setting).close()
