"""MLflow's server as a child of `forebay ui`: it is waited for until it answers, and never outlives the command."""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forebay.errors import MachineError
from forebay.local.runs.engine_process import read_last_lines
from forebay.local.sessions import end_session
from forebay.settings.environment import MLFLOW_NO_TELEMETRY, SUPERVISOR_VARIABLE
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.state.supervisor_watch import GRACE_S

HOST = "127.0.0.1"
SLOW_S = 60.0  # a start that takes longer is told


@dataclass(kw_only=True)
class UiServer:
    """A server in a session of its own. The end of the `with` block ends every process that is left of it."""

    command_line: Sequence[str]
    port: int
    folder: Path  # where it starts, and where its log is
    variables: Mapping[str, str] = field(default_factory=dict)  # of its environment, besides ours

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "ui.log"

    def __enter__(self) -> "UiServer":
        ours = {**self.variables, SUPERVISOR_VARIABLE: str(os.getpid())}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 our own interpreter and modules
                [sys.executable, "-P", "-m", "forebay.local.ui_guardian", *self.command_line],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ours},
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C reaches this command alone, which then ends it in order
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.poll()
        end_session(self._process.pid, GRACE_S)
        self._process.wait()

    def wait_until_it_answers(self, tell: Callable[[str], None], slow_s: float = SLOW_S, poll_s: float = 0.1) -> None:
        """Wait for the first answer.

        Args:
            tell: called once where it takes long.
            slow_s: when that is.
            poll_s: time between two looks.

        Raises:
            MachineError: it ended before.
        """
        slow_at = time.monotonic() + slow_s
        while not _answers(self.port):
            if self._process.poll() is not None:
                raise self._ended("before it answered")
            if time.monotonic() > slow_at:
                tell(f"It does not answer yet; {self.log} holds what it says. Ctrl-C ends it.")
                slow_at = float("inf")
            time.sleep(poll_s)

    def wait_until_it_ends(self) -> MachineError:
        """Wait for its end, which is an error: it answers until it is told to end."""
        self._process.wait()
        return self._ended("by itself")

    def _ended(self, when: str) -> MachineError:
        said = without_passwords("; ".join(filter(None, map(str.strip, read_last_lines(self.log, 3)))))
        return MachineError(
            f"The server of MLflow's user interface ended {when}, with exit code {self._process.returncode}. "
            f"{f'Its last lines: {said}' if said else 'It said nothing'} - {self.log} holds all that it said, and "
            "`forebay doctor` looks at what it needs."
        )


def mlflow_server(home: Home, store: str, port: int) -> UiServer:
    """MLflow's server on a state folder.

    Args:
        home: the state folder.
        store: the address of the tracking store, which may hold a password.
        port: the port of `HOST` that it takes.
    """
    words = ("server", "--artifacts-destination", str(home.mlflow_artifacts), "--host", HOST, "--port", str(port))
    return UiServer(
        command_line=(sys.executable, "-P", "-m", "mlflow", *words, "--workers", "1"),
        port=port,
        folder=home.root,  # its web server looks for modules in the folder where it starts, which is never the user's
        variables={
            "MLFLOW_BACKEND_STORE_URI": _absolute(store),  # everybody on a machine sees command lines
            MLFLOW_NO_TELEMETRY: "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # four processes for jobs that nothing here has
        },
    )


def _absolute(uri: str) -> str:
    """The address of a store; a sqlite file that it names from here is named in full."""
    file = re.fullmatch(r"sqlite:///([^/:?][^?]*)(.*)", uri)
    return f"sqlite:///{Path(file[1]).absolute()}{file[2]}" if file else uri


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
