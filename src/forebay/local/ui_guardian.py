"""Runs another program as its child, and ends all that it started as soon as the command is gone that asked for it.

MLflow's server leaves its workers behind when only it is told to end, and nothing tells it that its command is gone.
"""

import os
import subprocess
import sys

from forebay.local.sessions import end_session
from forebay.signals import raise_on_signals, system_exit
from forebay.state.supervisor_watch import GRACE_S, end_with_supervisor


def main(command_line: list[str]) -> int:
    """Run the program to its end in this process's session; the exit code is the program's."""
    raise_on_signals(system_exit)
    end_with_supervisor()
    try:
        return subprocess.Popen(command_line).wait()  # noqa: S603 what our own command says
    finally:
        end_session(os.getsid(0), GRACE_S / 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
