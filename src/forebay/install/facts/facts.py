"""What a cluster says of itself; only reading commands, and none that prints what a Secret holds."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from forebay.errors import MachineError
from forebay.install.commands import tools
from forebay.install.facts.objects import Object, quantity
from forebay.install.plan.action import KEPT_ANNOTATION, PIECE_LABEL, RELEASE, SECURITY_LABEL, SECURITY_MODES, Target
from forebay.state.files import write_bytes

REACH_S = "10s"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
MARK_DEFAULT = f"annotate storageclass NAME {DEFAULT_CLASS}=true"  # what mends it, in kubectl's words
UNKNOWN = "<none>"  # what kubectl prints for a field that is not there


@dataclass(frozen=True)
class Release:
    """The newest revision of our chart."""

    status: str  # helm's word: deployed, failed, pending-install, …
    description: str


@dataclass(frozen=True)
class Levels:
    """Pod Security of a namespace, as `enforce=baseline,warn=`."""

    now: str
    before: str  # `up`


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A cluster as it is now."""

    version: tuple[int, int]
    may_install: bool = True
    allocatable: dict[str, Decimal] = field(default_factory=dict)  # of all ready nodes together; GPUs are in it
    taken: dict[str, Decimal] = field(default_factory=dict)  # CPU and memory that pods of others ask for
    storage_classes: dict[str, bool] = field(default_factory=dict)  # name: whether it is the default
    namespaces: dict[str, str] = field(default_factory=dict)  # name: the piece of ours, "kept", or "" for foreign
    levels: dict[str, Levels] = field(default_factory=dict)  # of namespaces that are not ours
    definitions: dict[str, str] = field(default_factory=dict)  # CustomResourceDefinition: the piece, or "" for foreign
    secrets: dict[tuple[str, str], set[str] | None] = field(default_factory=dict)  # keys; None where it is absent
    release: Release | None = None
    whole: bool = False  # everything that the release holds is there


def read_facts(target: Target, secrets: Iterable[tuple[str, str]] = ()) -> Facts:
    """Look at a cluster.

    Args:
        target: which.
        secrets: namespaces and names of the Secrets whose keys are asked for.

    Raises:
        MachineError: it does not answer, or refuses to tell.
    """
    version = _version(target)  # first: it says best why a cluster does not answer
    namespaces = {_name(each): each for each in _items(target, "namespaces")}
    owners = {name: _owner(each) for name, each in namespaces.items()}
    return Facts(
        version=version,
        may_install=asked(target, "auth", "can-i", "*", "*", "--all-namespaces", ok=(0, 1)).strip() == "yes",
        allocatable=allocatable(_items(target, "nodes")),
        taken=_taken(target, owners),
        storage_classes={_name(each): is_default(each) for each in _items(target, "storageclasses")},
        namespaces=owners,
        levels={name: _levels(each) for name, each in namespaces.items() if owners[name] in ("", "kept")},
        definitions=_definitions(target),
        secrets={secret: _keys(target, *secret) for secret in secrets},
        release=_release(target),
    )


def _version(target: Target) -> tuple[int, int]:
    command = target.kubectl("get", "--raw", "/version", "--request-timeout", REACH_S)
    answer = tools.read(command)
    try:
        found = json.loads(answer.out) if not answer.code else {}
        return int(found["major"]), int(found["minor"].rstrip("+"))
    except (ValueError, KeyError, AttributeError) as error:
        raise MachineError(
            f"The cluster of the context {target.context} does not answer: {answer.words or 'no version'} - start "
            "it, or name another with --context; `kubectl config get-contexts` lists those that you have."
        ) from error


def asked(target: Target, *words: str, ok: tuple[int, ...] = (0,)) -> str:
    """What a reading kubectl command prints.

    Raises:
        MachineError: it ended with another code than those that are well.
    """
    answer = tools.read(target.kubectl(*words))
    if answer.code not in ok:
        raise MachineError(
            f"The cluster of the context {target.context} does not say what it has: {answer.words}. "
            "Ask its administrator for the rights, or name another context."
        )
    return answer.out


def _items(target: Target, kind: str) -> list[Object]:
    items: list[Object] = json.loads(asked(target, "get", kind, "--output", "json"))["items"]
    return items


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])


def is_default(each: Object) -> bool:
    """Whether a storage class is the one of claims that name none."""
    return (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"


def _owner(each: Object) -> str:
    metadata = each["metadata"]
    kept = KEPT_ANNOTATION in (metadata.get("annotations") or {})
    return "kept" if kept else str((metadata.get("labels") or {}).get(PIECE_LABEL, ""))


def _levels(each: Object) -> Levels:
    metadata = each["metadata"]
    labels = metadata.get("labels") or {}
    now = ",".join(f"{mode}={labels.get(SECURITY_LABEL + mode, '')}" for mode in SECURITY_MODES)
    return Levels(now, (metadata.get("annotations") or {}).get(KEPT_ANNOTATION, now))


def is_ready(node: Object) -> bool:
    """Whether a node takes pods."""
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not (node.get("spec") or {}).get("unschedulable")


def allocatable(nodes: list[Object]) -> dict[str, Decimal]:
    """What all ready nodes together have for pods, by resource name."""
    total: dict[str, Decimal] = {}
    for node in nodes:
        if is_ready(node):
            for name, value in (node["status"].get("allocatable") or {}).items():
                total[name] = total.get(name, Decimal(0)) + quantity(value)
    return total


def _taken(target: Target, owners: Mapping[str, str]) -> dict[str, Decimal]:
    """What running pods ask for, but for those in namespaces of ours."""
    asked_for = ".spec.containers[*].resources.requests."
    columns = f"N:.metadata.namespace,C:{asked_for}cpu,M:{asked_for}memory"
    running = ("--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
    words = ("get", "pods", "--all-namespaces", *running, "--no-headers", "--output", f"custom-columns={columns}")
    rows = [line.split() for line in asked(target, *words).splitlines()]
    others = [row[1:] for row in rows if len(row) == 3 and not owners.get(row[0])]
    return {
        name: sum((quantity(value) for row in others for value in row[at].split(",")), Decimal(0))
        for at, name in enumerate(("cpu", "memory"))
    }


def _definitions(target: Target) -> dict[str, str]:
    columns = f"NAME:.metadata.name,PIECE:.metadata.labels.{PIECE_LABEL.replace('.', chr(92) + '.')}"
    words = ("get", "customresourcedefinitions", "--no-headers", "--output", f"custom-columns={columns}")
    rows = [line.split() for line in asked(target, *words).splitlines()]  # whole definitions are megabytes
    return {row[0]: "" if row[1] == UNKNOWN else row[1] for row in rows if len(row) == 2}


def _keys(target: Target, namespace: str, name: str) -> set[str] | None:
    """The keys of a Secret; what stands under them is never asked for."""
    template = r'go-template={{range $key, $value := .data}}{{$key}}{{"\n"}}{{end}}'
    words = ("get", "secret", name, "--namespace", namespace, "--output", template)
    answer = tools.read(target.kubectl(*words))
    if answer.code and "NotFound" not in answer.words:
        raise MachineError(f"The Secret {name} in {namespace} cannot be looked at: {answer.words}. Mend that first.")
    return set(answer.out.split()) if not answer.code else None


def _release(target: Target) -> Release | None:
    answer = tools.read(target.helm("history", RELEASE, "--max", "1", "--output", "json"))
    if answer.code and "not found" not in answer.words:
        raise MachineError(f"helm cannot look at {target.context}: {answer.words}. Mend that, then run this again.")
    revisions: list[dict[str, Any]] = json.loads(answer.out) if not answer.code else []
    return Release(revisions[-1]["status"], revisions[-1]["description"]) if revisions else None


def all_there(target: Target, objects: Iterable[Object], file: Path) -> bool:
    """Whether every object of the release exists; only kinds and names are asked for.

    Args:
        target: the cluster.
        objects: what the chart renders to.
        file: where the list of names is put for kubectl.
    """
    wanted = [_stub(each) for each in objects]
    write_bytes(file, json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}).encode())
    answer = tools.read(target.kubectl("get", "--filename", str(file), "--ignore-not-found", "--output", "name"))
    return not answer.code and len(answer.out.split()) == len(wanted)


def _stub(each: Object) -> Object:
    names = {key: each["metadata"][key] for key in ("name", "namespace") if each["metadata"].get(key)}
    return {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": {"namespace": RELEASE, **names}}
