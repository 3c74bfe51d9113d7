"""A pipeline's steps in containers, in place of the function by which kfp's DockerRunner starts one.

kfp 2.17's own has three faults that matter here: it asks the engine to remove a container as soon as it ends, and takes
one that it no longer finds for a success; it passes a step none of the caller's environment; and its arguments are the
same for all steps. `Containers.run_step` has its signature and none of these faults.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forebay import container_images
from forebay.containers.client import HOME_LABEL, common, connected, label_of
from forebay.state import Home, Run
from forebay.state.steplog import EVENTS_VARIABLE, FRESH_VARIABLE, read_events
from forebay.state.watch import GRACE_S

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

RUN_LABEL = "forebay.run"  # of a step's container
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Containers:
    """What the containers of one run have in common."""

    home: Home
    run: Run
    source: str  # a local path that steps may read, or an empty string
    gpus: str
    fresh: bool

    def run_step(
        self, client: "DockerClient", image: str, command: Sequence[str], volumes: dict[str, Any], **_: object
    ) -> int:
        """Run one step to its end.

        Args:
            client: of the engine.
            image: the step's.
            command: of the compiled file, with kfp's arguments.
            volumes: kfp's, the pipeline root alone; it lies in the state folder, which is mounted whole.

        Returns:
            The exit code; 1 also where the code is 0 but the step did not record that it finished.
        """
        name = _step_name(command)
        container = client.containers.run(image, list(command), **self._arguments(name, image))
        try:
            for chunk in container.logs(stream=True):
                print(chunk.decode(errors="replace"), end="", flush=True)
            code = int(container.wait()["StatusCode"])
        finally:
            _end(container)
        if code == 0 and not self._finished(name):
            print(f"{name} ended with 0 and did not say that it finished", file=sys.stderr)
            return 1
        return code

    def _arguments(self, name: str, image: str) -> dict[str, Any]:
        arguments = common(self.home)
        arguments["name"] = (
            f"forebay-{self.run.run_id}-{name}-{time.time_ns() % 1_000_000:06d}"  # a retry is another one
        )
        arguments["init"] = True  # passes signals on, and reaps what a step leaves
        arguments["labels"] |= {RUN_LABEL: self.run.run_id}
        arguments["environment"] |= {
            EVENTS_VARIABLE: str(self.run.events),
            FRESH_VARIABLE: "1" if self.fresh else "0",
        }
        if self.source:
            arguments["volumes"][self.source] = {"bind": self.source, "mode": "ro"}
        if image == container_images.TRAIN and name == "train" and self.gpus != "0":
            from docker.types import DeviceRequest

            arguments["device_requests"] = [DeviceRequest(count=int(self.gpus), capabilities=[["gpu"]])]
        return arguments

    def _finished(self, name: str) -> bool:
        ended = [event["kind"] for event in read_events(self.run.events)[0] if event["step"] == name]
        return bool(ended) and ended[-1] == "finished"


def end_leftovers(home: Home) -> None:
    """End the step containers that a killed run of this state folder left."""
    with connected() as client:
        filters = {"label": [f"{HOME_LABEL}={label_of(home)}", RUN_LABEL]}
        for container in client.containers.list(all=True, filters=filters):
            _end(container)


def _end(container: "Container") -> None:
    """Let a step write its checkpoint, as SIGTERM asks it to, then remove its container.

    The signal goes to every process inside: kfp starts a step under `sh`, which passes none on.
    """
    from docker.errors import APIError, NotFound

    try:
        container.reload()
        if container.status == "running":
            container.exec_run(["sh", "-c", "kill -TERM -1"])
            deadline = time.monotonic() + GRACE_S * 0.8
            while container.status == "running" and time.monotonic() < deadline:
                time.sleep(POLL_S)
                container.reload()
    except (APIError, NotFound):
        pass  # it ended meanwhile
    try:
        container.remove(force=True)
    except NotFound:
        return


def _step_name(command: Sequence[str]) -> str:
    """The component's name, which is the step's word: kfp puts it behind this option."""
    return command[list(command).index("--function_to_execute") + 1]
