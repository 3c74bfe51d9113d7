"""What a cluster says about itself; only reading commands, and none that prints what a Secret holds."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from forebay.errors import MachineError
from forebay.install.commands import programs
from forebay.install.commands.cluster_target import ClusterTarget
from forebay.install.facts.kubernetes_objects import Object, quantity
from forebay.install.names import KEPT_ANNOTATION, PIECE_LABEL, RELEASE, SECURITY_LABEL, SECURITY_MODES
from forebay.state.files import write_bytes

REQUEST_TIMEOUT = "10s"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
SET_DEFAULT_CLASS = f"annotate storageclass NAME {DEFAULT_CLASS}=true"  # arguments of kubectl
ABSENT_FIELD = "<none>"  # what kubectl prints for a field that an object lacks


@dataclass(frozen=True)
class HelmRelease:
    """The newest revision of our chart."""

    status: str  # as helm says it: deployed, failed, pending-install, …
    description: str


@dataclass(frozen=True)
class PodSecurityLevels:
    """The Pod Security of a namespace, as `enforce=baseline,warn=`."""

    now: str
    before: str  # before `forebay up` changed it


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """A cluster as it is now."""

    version: tuple[int, int]
    may_install: bool = True
    allocatable: dict[str, Decimal] = field(default_factory=dict)  # all ready nodes together, GPUs among it
    requested_by_others: dict[str, Decimal] = field(default_factory=dict)  # CPU and memory of pods that are not ours
    storage_classes: dict[str, bool] = field(default_factory=dict)  # by name: whether it is the default
    namespaces: dict[str, str] = field(default_factory=dict)  # by name: our piece, "kept", or "" for somebody else's
    pod_security: dict[str, PodSecurityLevels] = field(default_factory=dict)  # by namespace that is not ours
    crds: dict[str, str] = field(default_factory=dict)  # by definition: our piece, or "" for somebody else's
    secrets: dict[tuple[str, str], set[str] | None] = field(default_factory=dict)  # their keys; None where it is absent
    release: HelmRelease | None = None
    release_complete: bool = False  # every object of the release exists


def read_cluster_facts(target: ClusterTarget, secrets: Iterable[tuple[str, str]] = ()) -> ClusterFacts:
    """Look at a cluster.

    Args:
        target: the cluster.
        secrets: namespaces and names of the Secrets whose keys are wanted.

    Raises:
        MachineError: it does not answer, or refuses to tell.
    """
    version = _version(target)  # first: this says best why a cluster does not answer
    namespaces = {_name(each): each for each in _items(target, "namespaces")}
    owners = {name: _owner(each) for name, each in namespaces.items()}
    return ClusterFacts(
        version=version,
        may_install=read_kubectl(target, "auth", "can-i", "*", "*", "--all-namespaces", ok=(0, 1)).strip() == "yes",
        allocatable=total_allocatable(_items(target, "nodes")),
        requested_by_others=_requested_by_others(target, owners),
        storage_classes={_name(each): is_default_class(each) for each in _items(target, "storageclasses")},
        namespaces=owners,
        pod_security={name: _pod_security(each) for name, each in namespaces.items() if owners[name] in ("", "kept")},
        crds=_crds(target),
        secrets={secret: _secret_keys(target, *secret) for secret in secrets},
        release=_release(target),
    )


def _version(target: ClusterTarget) -> tuple[int, int]:
    result = programs.read_output(target.kubectl("get", "--raw", "/version", "--request-timeout", REQUEST_TIMEOUT))
    try:
        found = json.loads(result.stdout) if not result.exit_code else {}
        return int(found["major"]), int(found["minor"].rstrip("+"))
    except (ValueError, KeyError, AttributeError) as error:
        raise MachineError(
            f"The cluster of the context {target.context} does not answer: {result.message or 'no version'}. Start "
            "it, or name another with --context; `kubectl config get-contexts` lists those that you have."
        ) from error


def read_kubectl(target: ClusterTarget, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """The output of a reading kubectl command.

    Raises:
        MachineError: its exit code is none of `ok`.
    """
    result = programs.read_output(target.kubectl(*arguments))
    if result.exit_code not in ok:
        raise MachineError(
            f"The cluster of the context {target.context} does not say what it has: {result.message}. "
            "Ask its administrator for the rights, or name another context."
        )
    return result.stdout


def _items(target: ClusterTarget, kind: str) -> list[Object]:
    items: list[Object] = json.loads(read_kubectl(target, "get", kind, "--output", "json"))["items"]
    return items


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])


def is_default_class(storage_class: Object) -> bool:
    """Whether claims that name no storage class get this one."""
    return (storage_class["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"


def _owner(each: Object) -> str:
    metadata = each["metadata"]
    kept = KEPT_ANNOTATION in (metadata.get("annotations") or {})
    return "kept" if kept else str((metadata.get("labels") or {}).get(PIECE_LABEL, ""))


def _pod_security(namespace: Object) -> PodSecurityLevels:
    metadata = namespace["metadata"]
    labels = metadata.get("labels") or {}
    now = ",".join(f"{mode}={labels.get(SECURITY_LABEL + mode, '')}" for mode in SECURITY_MODES)
    return PodSecurityLevels(now, (metadata.get("annotations") or {}).get(KEPT_ANNOTATION, now))


def is_ready(node: Object) -> bool:
    """Whether a node takes pods."""
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not (node.get("spec") or {}).get("unschedulable")


def total_allocatable(nodes: list[Object]) -> dict[str, Decimal]:
    """What all ready nodes together offer to pods, by resource name."""
    total: dict[str, Decimal] = {}
    for node in nodes:
        if is_ready(node):
            for name, value in (node["status"].get("allocatable") or {}).items():
                total[name] = total.get(name, Decimal(0)) + quantity(value)
    return total


def _requested_by_others(target: ClusterTarget, owners: Mapping[str, str]) -> dict[str, Decimal]:
    """What running pods request in all namespaces but ours."""
    requests = ".spec.containers[*].resources.requests."
    columns = f"custom-columns=N:.metadata.namespace,C:{requests}cpu,M:{requests}memory"
    running = ("--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
    listed = read_kubectl(
        target, "get", "pods", "--all-namespaces", *running, "--no-headers", "--output", columns
    )  # fmt: skip
    rows = [line.split() for line in listed.splitlines()]
    others = [row[1:] for row in rows if len(row) == 3 and not owners.get(row[0])]
    return {
        name: sum((quantity(value) for row in others for value in row[at].split(",")), Decimal(0))
        for at, name in enumerate(("cpu", "memory"))
    }


def _crds(target: ClusterTarget) -> dict[str, str]:
    label = PIECE_LABEL.replace(".", "\\.")
    columns = f"custom-columns=NAME:.metadata.name,PIECE:.metadata.labels.{label}"
    listed = read_kubectl(target, "get", "customresourcedefinitions", "--no-headers", "--output", columns)
    rows = [line.split() for line in listed.splitlines()]  # whole definitions are megabytes
    return {row[0]: "" if row[1] == ABSENT_FIELD else row[1] for row in rows if len(row) == 2}


def _secret_keys(target: ClusterTarget, namespace: str, name: str) -> set[str] | None:
    """The keys of a Secret; its values are never asked for."""
    template = r'go-template={{range $key, $value := .data}}{{$key}}{{"\n"}}{{end}}'
    command = target.kubectl("get", "secret", name, "--namespace", namespace, "--output", template)
    result = programs.read_output(command)
    if result.exit_code and "NotFound" not in result.message:
        raise MachineError(
            f"The Secret {name} in {namespace} cannot be looked at: {result.message}. Repair that, then run this again."
        )
    return set(result.stdout.split()) if not result.exit_code else None


def _release(target: ClusterTarget) -> HelmRelease | None:
    result = programs.read_output(target.helm("history", RELEASE, "--max", "1", "--output", "json"))
    if result.exit_code and "not found" not in result.message:
        raise MachineError(f"helm cannot look at {target.context}: {result.message}. Repair that, then run this again.")
    revisions: list[dict[str, Any]] = json.loads(result.stdout) if not result.exit_code else []
    return HelmRelease(revisions[-1]["status"], revisions[-1]["description"]) if revisions else None


def all_exist(target: ClusterTarget, objects: Iterable[Object], file: Path) -> bool:
    """Whether all objects exist; only kinds and names are asked for.

    Args:
        target: the cluster.
        objects: what the chart renders to.
        file: where the list of names is written for kubectl.
    """
    stubs = [_stub(each) for each in objects]
    write_bytes(file, json.dumps({"apiVersion": "v1", "kind": "List", "items": stubs}).encode())
    command = target.kubectl("get", "--filename", str(file), "--ignore-not-found", "--output", "name")
    result = programs.read_output(command)
    return not result.exit_code and len(result.stdout.split()) == len(stubs)


def _stub(each: Object) -> Object:
    names = {key: each["metadata"][key] for key in ("name", "namespace") if each["metadata"].get(key)}
    return {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": {"namespace": RELEASE, **names}}
