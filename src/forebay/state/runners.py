"""What runs the steps and the server: processes of this machine, or containers."""

from typing import Literal, get_args

Runner = Literal["process", "docker"]
RUNNERS: tuple[Runner, ...] = get_args(Runner)
