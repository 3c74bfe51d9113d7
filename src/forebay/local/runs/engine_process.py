"""The engine process of a run, in a process group of its own that is ended whole."""

import os
import subprocess
import sys
from pathlib import Path

from forebay.local.sessions import end_session
from forebay.object_store import is_s3_uri
from forebay.search_path import SAFE_PATH
from forebay.settings.environment import (
    EVENTS_VARIABLE,
    FRESH_VARIABLE,
    HOME_VARIABLE,
    SIGNING_KEY,
    SUPERVISOR_VARIABLE,
    WEIGHTS_STORE_VARIABLE,
)
from forebay.state import Home, RunFolder
from forebay.state.file_modes import UMASK
from forebay.state.supervisor_watch import GRACE_S


class EngineProcess:
    """A running pipeline. The end of the `with` block ends every process that is left of it."""

    def __init__(self, home: Home, run: RunFolder, *, fresh: bool) -> None:
        environment = os.environ | {
            HOME_VARIABLE: str(home.root),
            EVENTS_VARIABLE: str(run.events),
            FRESH_VARIABLE: "1" if fresh else "0",
            SUPERVISOR_VARIABLE: str(os.getpid()),
            SAFE_PATH: "1",  # for kfp's steps, which are started without `-P`
            "PYTHONUNBUFFERED": "1",
        }
        for name in (SIGNING_KEY, WEIGHTS_STORE_VARIABLE):
            if environment.get(name) and not is_s3_uri(environment[name]):
                environment[name] = str(Path(environment[name]).expanduser().absolute())  # steps may run elsewhere
        with run.engine_log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 our own interpreter and module
                [sys.executable, "-P", "-m", "forebay.local.runs.kfp_local", str(run.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                umask=UMASK,
            )

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def exit_code(self) -> int | None:
        """The engine's exit code, None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Ask the whole group to stop (training writes a checkpoint), then kill it; a second Ctrl-C kills at once."""
        self._process.poll()
        end_session(self._process.pid, GRACE_S)
        self._process.wait()


def read_last_lines(path: Path, count: int = 15) -> list[str]:
    """The end of a log file, for an error that no step explained."""
    if not path.exists():
        return []
    return path.read_text(errors="replace").splitlines()[-count:]
