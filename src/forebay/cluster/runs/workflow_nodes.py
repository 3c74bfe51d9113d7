"""The steps of a run, read from the nodes of its Argo workflow: pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forebay.backend.summary import STEPS

Node = Mapping[str, Any]
ENDED_BADLY = ("Failed", "Error")
ENDED = ("Succeeded", "Skipped", "Omitted", *ENDED_BADLY)
_STEP = "|".join(STEPS)
# Argo appends (0), (1), … to the name of each try, and to the names of the DAGs around it where these are retried.
_EXECUTOR = re.compile(rf"\.(?P<step>{_STEP})(\(\d+\))?\.executor(\(\d+\))?$")
_DRIVER = re.compile(rf"\.(?P<step>{_STEP})-driver(\(\d+\))?$")


@dataclass(frozen=True, kw_only=True)
class StepAttempt:
    """One pod of a step."""

    pod: str
    phase: str  # Argo's: Pending, Running, Succeeded, Failed, Error
    message: str  # why the pod waits or failed, in the cluster's words

    @property
    def ended(self) -> bool:
        """Whether the pod has ended."""
        return self.phase in ENDED


@dataclass(frozen=True, kw_only=True)
class StepNodes:
    """The pods of one step of a workflow."""

    name: str
    attempts: tuple[StepAttempt, ...] = field(default=())  # in order of time
    drivers: tuple[StepAttempt, ...] = field(default=())  # KFP's own pods, which look into the cache first
    cached: bool = False


def steps_of(workflow: Mapping[str, Any]) -> dict[str, StepNodes]:
    """Every step that the workflow has reached, by name, in flow order."""
    nodes = list(((workflow.get("status") or {}).get("nodes") or {}).values())
    found = {name: _step(name, workflow, nodes) for name in STEPS}
    return {name: step for name, step in found.items() if step.attempts or step.drivers or step.cached}


def _step(name: str, workflow: Mapping[str, Any], nodes: list[Node]) -> StepNodes:
    executors = [node for node in nodes if (match := _EXECUTOR.search(node["name"])) and match["step"] == name]
    drivers = [node for node in nodes if (match := _DRIVER.search(node["name"])) and match["step"] == name]
    return StepNodes(
        name=name,
        attempts=_attempts(workflow, executors),
        drivers=_attempts(workflow, drivers),
        cached=any(node.get("type") == "Skipped" for node in executors),
    )


def _attempts(workflow: Mapping[str, Any], nodes: list[Node]) -> tuple[StepAttempt, ...]:
    pods = [node for node in nodes if node.get("type") == "Pod"]
    pods.sort(key=lambda node: (node.get("startedAt") or "", node["name"]))
    return tuple(
        StepAttempt(
            pod=_pod_name(workflow, node),
            phase=str(node.get("phase") or "Pending"),
            message=str(node.get("message") or ""),
        )
        for node in pods
    )


def _pod_name(workflow: Mapping[str, Any], node: Node) -> str:
    """The pod's name as Argo forms it: workflow, template and the number at the end of the node's id; in v1 the id."""
    annotations = (workflow.get("metadata") or {}).get("annotations") or {}
    if annotations.get("workflows.argoproj.io/pod-name-format") == "v1":
        return str(node["id"])
    run, _, number = str(node["id"]).rpartition("-")
    return f"{run}-{node.get('templateName', '')}-{number}"
