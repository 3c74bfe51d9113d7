"""A pipeline's steps in containers, in place of the function by which kfp's DockerRunner starts one.

kfp 2.17's own has three faults that matter here: it asks the engine to remove a container as soon as it ends, and takes
one that it no longer finds for a success; it passes a step none of the caller's environment; and its arguments are the
same for all steps. `StepContainers.run_step` has its signature and none of these faults.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forebay import container_images
from forebay.local.containers.engine import (
    HOME_LABEL,
    container_arguments,
    engine_client,
    home_label_value,
    remove_container,
)
from forebay.local.containers.step_environment import step_environment
from forebay.settings.environment import EVENTS_VARIABLE, FRESH_VARIABLE
from forebay.state import Home, RunFolder
from forebay.state.events import read_events
from forebay.state.file_modes import UMASK
from forebay.state.steplog import StepLog
from forebay.state.supervisor_watch import GRACE_S

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

RUN_LABEL = "forebay.run"  # on a step's container
POLL_S = 0.1
RESUME_ADVICE = "`forebay run` again goes on from what is done."
GPU_ADVICE = "Install the NVIDIA Container Toolkit and restart the engine, or set train.gpus=0."
ENGINE_ADVICE = {  # by a part of the engine's message
    "could not select device driver": GPU_ADVICE,
    "failed to discover GPU": GPU_ADVICE,  # engines since 29
    "no space left": f"`docker system prune` removes what no container uses; {RESUME_ADVICE}",
}


@dataclass(frozen=True, kw_only=True)
class StepContainers:
    """Runs the steps of one run in containers."""

    home: Home
    run: RunFolder
    sources: tuple[str, ...]  # local paths that steps may read
    gpus: str
    fresh: bool

    def run_step(
        self, client: "DockerClient", image: str, command: Sequence[str], volumes: dict[str, Any], **_: object
    ) -> int:
        """Run one step to its end.

        Args:
            client: connection to the engine.
            image: the step's container image.
            command: the command of the compiled file, with kfp's arguments.
            volumes: kfp's; unused, for its only volume lies in the state folder, which is mounted whole.

        Returns:
            The exit code; 1 also where the code is 0 but the step did not record that it finished. Where the step
            could not record why it failed, or the engine did not run it, this records the reason as its error.
        """
        from docker.errors import DockerException

        name = _step_of(command)
        start = time.monotonic()
        try:
            code, reason = self._run_to_its_end(client, name, image, command)
        except (DockerException, OSError) as error:  # the SDK lets errors of requests through, which are OSErrors
            code, reason = 1, _engine_problem(error)
        if reason:
            seconds = round(time.monotonic() - start, 3)
            log = StepLog(name=name, run_id=self.run.run_id, home=self.home, events=self.run.events)
            log.emit("failed", seconds=seconds, error=reason, error_type="MachineError", permanent=False)
        return code

    def _run_to_its_end(self, client: "DockerClient", name: str, image: str, command: Sequence[str]) -> tuple[int, str]:
        """The exit code, and the reason of a failure that the step could not record itself."""
        container = client.containers.create(
            image, with_private_umask(command), **self._arguments(name, image)
        )  # it never pulls
        try:
            container.start()
            for chunk in container.logs(stream=True):
                print(chunk.decode(errors="replace"), end="", flush=True)
            code = int(container.wait()["StatusCode"])
            container.reload()
            out_of_memory = bool(container.attrs["State"].get("OOMKilled"))
        finally:
            _end_container(container)
        kinds = [event["kind"] for event in read_events(self.run.events)[0] if event["step"] == name]
        if kinds[-1:] == ["failed" if code else "finished"]:
            return code, ""
        return code or 1, _unexplained_end(name, code, out_of_memory)

    def _arguments(self, name: str, image: str) -> dict[str, Any]:
        arguments = container_arguments(self.home)
        variables, files = step_environment(name)
        arguments["environment"] |= variables
        arguments["volumes"] |= files
        arguments["name"] = (
            f"forebay-{self.run.run_id}-{name}-{time.time_ns() % 1_000_000:06d}"  # a retry is another one
        )
        arguments["init"] = True  # passes signals on, and reaps processes that a step leaves
        arguments["labels"] |= {RUN_LABEL: self.run.run_id}
        arguments["environment"] |= {
            EVENTS_VARIABLE: str(self.run.events),
            FRESH_VARIABLE: "1" if self.fresh else "0",
        }
        for path in self.sources:
            arguments["volumes"][path] = {"bind": path, "mode": "ro"}
        if image == container_images.TRAIN and name == "train" and self.gpus != "0":
            from docker.types import DeviceRequest

            arguments["device_requests"] = [DeviceRequest(count=int(self.gpus), capabilities=[["gpu"]])]
        return arguments


def with_private_umask(command: Sequence[str]) -> list[str]:
    """The command under the umask of the state folder: kfp makes folders there before a step can set one."""
    return ["sh", "-c", f'umask {UMASK:03o}; exec "$@"', "sh", *command]


def end_left_containers(home: Home) -> None:
    """End the step containers that earlier runs of this state folder left after a kill, or while no engine answered."""
    with engine_client() as client:
        filters = {"label": [f"{HOME_LABEL}={home_label_value(home)}", RUN_LABEL]}
        for container in client.containers.list(all=True, filters=filters):
            _end_container(container)


def _end_container(container: "Container") -> None:
    """Let a step write its checkpoint after SIGTERM, then remove its container.

    The signal goes to every process inside: kfp starts a step under `sh`, which passes none on.
    """
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # it ended meanwhile
        container.reload()
        if container.status == "running":
            container.exec_run(["sh", "-c", "kill -TERM -1"])
            deadline = time.monotonic() + GRACE_S * 0.8
            while container.status == "running" and time.monotonic() < deadline:
                time.sleep(POLL_S)
                container.reload()
    remove_container(container)


def _engine_problem(error: Exception) -> str:
    """What the engine said, and what to do about it."""
    message = str(getattr(error, "explanation", None) or error).strip().rstrip(".")
    advice = next(
        (advice for part, advice in ENGINE_ADVICE.items() if part in message),
        f"`docker info` tells how the engine is; {RESUME_ADVICE}",
    )
    return f"The container engine did not run the step: {message}. {advice}"


def _unexplained_end(name: str, code: int, out_of_memory: bool) -> str:
    """Why a step failed that did not record how it ended."""
    if out_of_memory:
        problem = "its container was ended because the memory was used up. Free some, or give the step less to do"
    elif code > 128:
        signal = code - 128
        problem = f"its container was killed (signal {signal}) before it could say why (mostly for lack of memory)"
    else:
        problem = f"its container ended with code {code} before the step had said how it ended"
    return f"{problem}. `forebay logs {name}` shows its output; {RESUME_ADVICE}"


def _step_of(command: Sequence[str]) -> str:
    """The component's name, which is the step's word: kfp puts it behind this option."""
    return command[list(command).index("--function_to_execute") + 1]
