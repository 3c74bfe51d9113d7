"""A pipeline's steps in containers, in place of the function by which kfp's DockerRunner starts one.

kfp 2.17's own has three faults that matter here: it asks the engine to remove a container as soon as it ends, and takes
one that it no longer finds for a success; it passes a step none of the caller's environment; and its arguments are the
same for all steps. `Containers.run_step` has its signature and none of these faults.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forebay import container_images
from forebay.local.containers.client import HOME_LABEL, common, connected, label_of, remove
from forebay.local.containers.environment import passed_on
from forebay.settings.environment import EVENTS_VARIABLE, FRESH_VARIABLE
from forebay.state import Home, RunFolder
from forebay.state.events import read_events
from forebay.state.file_modes import UMASK
from forebay.state.steplog import StepLog
from forebay.state.supervisor_watch import GRACE_S

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

RUN_LABEL = "forebay.run"  # names the run that a step's container belongs to
POLL_S = 0.1
GO_ON = "`forebay run` again goes on from what is done."
NO_GPU = "Install the NVIDIA Container Toolkit and restart the engine, or set train.gpus=0."
ADVICE = {  # by a piece of what the engine says
    "could not select device driver": NO_GPU,
    "failed to discover GPU": NO_GPU,  # engines since 29
    "no space left": f"`docker system prune` removes what no container uses; {GO_ON}",
}


@dataclass(frozen=True, kw_only=True)
class Containers:
    """What the containers of one run have in common."""

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
            client: the client of the engine.
            image: the step's.
            command: the command of the compiled file, with kfp's arguments.
            volumes: kfp's, the pipeline root alone; it lies in the state folder, which is mounted whole.

        Returns:
            The exit code; 1 also where the code is 0 but the step did not record that it finished. Why a step failed
            that could not say so itself, or that the engine did not run, is recorded as its error.
        """
        from docker.errors import DockerException

        name = _step_name(command)
        start = time.monotonic()
        try:
            code, reason = self._run_to_its_end(client, name, image, command)
        except (DockerException, OSError) as error:  # the SDK lets errors of requests through, which are OSErrors
            code, reason = 1, _refusal(error)
        if reason:
            seconds = round(time.monotonic() - start, 3)
            log = StepLog(name=name, run_id=self.run.run_id, home=self.home, events=self.run.events)
            log.emit("failed", seconds=seconds, error=reason, error_type="MachineError", permanent=False)
        return code

    def _run_to_its_end(self, client: "DockerClient", name: str, image: str, command: Sequence[str]) -> tuple[int, str]:
        """Exit code, and why the step failed where it could not say so itself."""
        container = client.containers.create(image, private(command), **self._arguments(name, image))  # it never pulls
        try:
            container.start()
            for chunk in container.logs(stream=True):
                print(chunk.decode(errors="replace"), end="", flush=True)
            code = int(container.wait()["StatusCode"])
            container.reload()
            out_of_memory = bool(container.attrs["State"].get("OOMKilled"))
        finally:
            _end(container)
        kinds = [event["kind"] for event in read_events(self.run.events)[0] if event["step"] == name]
        if kinds[-1:] == ["failed" if code else "finished"]:
            return code, ""
        return code or 1, _silence(name, code, out_of_memory)

    def _arguments(self, name: str, image: str) -> dict[str, Any]:
        arguments = common(self.home)
        variables, files = passed_on(name)
        arguments["environment"] |= variables
        arguments["volumes"] |= files
        arguments["name"] = (
            f"forebay-{self.run.run_id}-{name}-{time.time_ns() % 1_000_000:06d}"  # a retry is another one
        )
        arguments["init"] = True  # passes signals on, and reaps what a step leaves
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


def private(command: Sequence[str]) -> list[str]:
    """The command under the umask of the state folder: kfp makes folders there before a step can set one."""
    return ["sh", "-c", f'umask {UMASK:03o}; exec "$@"', "sh", *command]


def end_leftovers(home: Home) -> None:
    """End the step containers that earlier runs of this state folder left, by a kill or while the engine was away."""
    with connected() as client:
        filters = {"label": [f"{HOME_LABEL}={label_of(home)}", RUN_LABEL]}
        for container in client.containers.list(all=True, filters=filters):
            _end(container)


def _end(container: "Container") -> None:
    """Let a step write its checkpoint, as SIGTERM asks it to, then remove its container.

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
    remove(container)


def _refusal(error: Exception) -> str:
    """What the engine said, and what to do about it."""
    said = str(getattr(error, "explanation", None) or error).strip().rstrip(".")
    advice = next(
        (words for mark, words in ADVICE.items() if mark in said),
        f"`docker info` tells how the engine is; {GO_ON}",
    )
    return f"The container engine did not run the step: {said}. {advice}"


def _silence(name: str, code: int, out_of_memory: bool) -> str:
    """Why a step failed that did not say how it ended."""
    if out_of_memory:
        problem = "its container was ended because the memory was used up. Free some, or give the step less to do"
    elif code > 128:
        signal = code - 128
        problem = f"its container was killed (signal {signal}) before it could say why (mostly for lack of memory)"
    else:
        problem = f"its container ended with code {code} before the step had said how it ended"
    return f"{problem}. `forebay logs {name}` shows its output; {GO_ON}"


def _step_name(command: Sequence[str]) -> str:
    """The component's name, which is the step's word: kfp puts it behind this option."""
    return command[list(command).index("--function_to_execute") + 1]
