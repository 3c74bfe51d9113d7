"""What runs the steps and the server: processes of this machine, or containers."""

from typing import Literal, get_args

Runner = Literal["process", "docker"]
RUNNERS: tuple[Runner, ...] = get_args(Runner)
RUNNER_VARIABLE = "FOREBAY_RUNNER"
CONTAINER_VARIABLE = "FOREBAY_CONTAINER"  # tells a server in a container the container's name
