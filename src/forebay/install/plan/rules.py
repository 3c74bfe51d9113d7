"""What a cluster and the user's values have to be like; each refusal says the value, the rule and the fix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from forebay.errors import MachineError
from forebay.install.charts.render import Piece
from forebay.install.charts.values import Values, keys_of
from forebay.install.facts import objects
from forebay.install.facts.facts import MARK_DEFAULT, Facts
from forebay.install.facts.objects import Object
from forebay.install.plan.action import PIECE_LABEL, RELEASE
from forebay.install.request import HALVES

GIB = 2**30
STEP_CPU = Decimal("0.5")  # the largest request of a step in the compiled pipeline; a test holds them equal
STEP_MEMORY = Decimal(4 * 10**9)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What would be installed, rendered."""

    pieces: Sequence[Piece]
    chart: Sequence[Object]
    values: Values
    minimum: str  # of Kubernetes, such as 1.30

    @property
    def manifests(self) -> list[Object]:
        """The objects of all pieces."""
        return [each for piece in self.pieces for each in piece.objects]

    def secrets(self) -> dict[tuple[str, str], set[str]]:
        """Secrets that somebody has to have made: (namespace, name), and their keys."""
        return objects.secrets(self.everything, RELEASE)

    @property
    def everything(self) -> list[Object]:
        """All objects, the chart's as well."""
        return [*self.manifests, *self.chart]


def check_cluster(context: str, facts: Facts, wanted: Wanted) -> None:
    """Refuse a cluster that this cannot be installed on, with every reason at once.

    Raises:
        MachineError: the cluster lacks something.
    """
    found = list(refusals(facts, wanted))
    if not found:
        return
    words = found[0] if len(found) == 1 else " ".join(f"({at}) {each}" for at, each in enumerate(found, 1))
    raise MachineError(
        f"The cluster of {context} is not one that this can be installed on; nothing was changed. {words}"
    )


def refusals(facts: Facts, wanted: Wanted) -> Iterator[str]:
    """Each thing that is in the way."""
    yield from _version(facts, wanted.minimum)
    if not facts.may_install:
        yield (
            "`kubectl auth can-i '*' '*' --all-namespaces` says no: definitions and cluster roles can be installed "
            "by a cluster administrator only. Take a context with these rights."
        )
    yield from _namespaces(facts, wanted)
    yield from _storage(facts, wanted)
    yield from _secrets(facts, wanted)
    yield from _agreement(wanted)
    yield from _room(facts, wanted)
    yield from _gpu(facts, wanted.values)
    yield from _definitions(facts, wanted)


def _version(facts: Facts, minimum: str) -> Iterator[str]:
    major, minor = minimum.split(".")[:2]
    if facts.version < (int(major), int(minor)):
        yield (
            f"Its Kubernetes is {'.'.join(map(str, facts.version))}, and {minimum} or newer is needed. Update it, or "
            "take another cluster (`forebay up --cluster kind` makes one)."
        )


def _namespaces(facts: Facts, wanted: Wanted) -> Iterator[str]:
    """The chart makes none; where its pieces are left out, somebody else has to."""
    made = {each["metadata"]["name"] for each in wanted.manifests if each["kind"] == "Namespace"}
    for name in sorted({objects.namespace(each) for each in wanted.chart} - made - {""}):
        if name not in facts.namespaces:
            keys = ", ".join(keys_of(wanted.values, name)) or "the chart"
            yield (
                f"There is no namespace {name!r}, which {keys} names, and what makes it is left out. Make it "
                f"(`kubectl create namespace {name}`), or name another."
            )


def _storage(facts: Facts, wanted: Wanted) -> Iterator[str]:
    known = ", ".join(sorted(facts.storage_classes)) or "none at all"
    for name, claim in objects.storage_classes(wanted.everything).items():
        if name and name not in facts.storage_classes:
            keys = ", ".join(keys_of(wanted.values, name)) or claim
            yield (
                f"There is no storage class {name!r}, which {keys} names; there is {known}. Name one of "
                "these, or make it."
            )
        if not name and not any(facts.storage_classes.values()):
            yield (
                f"It has no default storage class, and {claim} asks for it; there is {known}. Mark one: "
                f"`kubectl {MARK_DEFAULT}`."
            )


def _agreement(wanted: Wanted) -> Iterator[str]:
    """What the chart's values and the manifests both say."""
    given = wanted.values
    launcher = next((each for each in wanted.manifests if each["metadata"]["name"] == "kfp-launcher"), None)
    pipelines = given.get("pipelines") or {}
    if launcher is None or not pipelines.get("enabled"):
        return
    place = objects.namespace(launcher)
    if pipelines.get("namespace") != place:
        yield (
            f"pipelines.namespace is {pipelines.get('namespace')!r}, and the manifests install Kubeflow "
            f"Pipelines in {place}. Set pipelines.namespace={place}."
        )
    root = str((launcher.get("data") or {}).get("defaultPipelineRoot", ""))
    bucket = root.partition("//")[2].partition("/")[0]
    wished = (given.get("buckets") or {}).get("pipelines")
    if (given.get("objectStore") or {}).get("mode") == "bundled" and bucket and bucket != wished:
        yield (
            f"buckets.pipelines is {wished!r}, and the manifests keep artifacts in {root}. "
            f"Set buckets.pipelines={bucket}."
        )


def _secrets(facts: Facts, wanted: Wanted) -> Iterator[str]:
    for (namespace, name), keys in facts.secrets.items():
        needed = wanted.secrets().get((namespace, name), set())
        option = ", ".join(keys_of(wanted.values, name)) or "a pod"
        literals = "".join(f" --from-literal {key}=…" for key in sorted(needed))
        if keys is None:
            new = "" if namespace in facts.namespaces else f"`kubectl create namespace {namespace}`, then "
            yield (
                f"There is no Secret {name!r} in the namespace {namespace}, which {option} names. Make it: {new}"
                f"`kubectl create secret generic {name} --namespace {namespace}{literals}`."
            )
        elif needed - keys:
            yield (
                f"The Secret {name!r} in {namespace}, which {option} names, has no key "
                f"{', '.join(sorted(needed - keys))}; it has {', '.join(sorted(keys)) or 'none'}. Add what is "
                "missing."
            )


def _room(facts: Facts, wanted: Wanted) -> Iterator[str]:
    asked = objects.requests(wanted.everything)
    free = _free(facts)
    if free["cpu"] < asked["cpu"]:
        yield (
            f"Its ready nodes have {free['cpu'].normalize():f} CPUs free, and {asked['cpu'].normalize():f} are asked "
            "for all the time. Add nodes or larger ones."
        )
    if free["memory"] < asked["memory"]:
        yield (
            f"Its ready nodes have {free['memory'] / GIB:.1f} GiB of memory free, and {asked['memory'] / GIB:.1f} GiB "
            "are asked for all the time. Add nodes or larger ones; for kind give the container engine more."
        )


def _free(facts: Facts) -> dict[str, Decimal]:
    return {name: facts.allocatable.get(name, Decimal(0)) - facts.taken.get(name, 0) for name in ("cpu", "memory")}


def notes(facts: Facts, wanted: Wanted) -> Iterator[str]:
    """What will be in the way later on a cluster that is fit, and perhaps not: it may grow by itself."""
    asked, free = objects.requests(wanted.everything), _free(facts)
    cpu, memory = free["cpu"] - asked["cpu"], free["memory"] - asked["memory"]
    if cpu < STEP_CPU or memory < STEP_MEMORY:
        yield (
            f"Beside all this, {cpu.normalize():f} CPUs and {memory / GIB:.1f} GiB stay free on the ready nodes, and "
            f"the training step of a pipeline asks for {STEP_CPU} and {STEP_MEMORY / GIB:.1f}: it will wait until "
            "there is room."
        )


def _gpu(facts: Facts, values: Values) -> Iterator[str]:
    gpu = values.get("gpu") or {}
    resource = gpu.get("resource", "")
    if gpu.get("enabled") and not facts.allocatable.get(resource):
        offered = ", ".join(sorted(name for name in facts.allocatable if "/" in name)) or "no such resource at all"
        yield (
            f"gpu.enabled is true and no ready node offers {resource} (there is {offered}). Install the vendor's "
            "device plugin or GPU operator, name the resource in gpu.resource, or set gpu.enabled=false."
        )


def _without(piece: str) -> str:
    return " ".join(f"--without {name}" for name in filter(None, (piece, HALVES.get(piece))))


def _definitions(facts: Facts, wanted: Wanted) -> Iterator[str]:
    ours = objects.defined(wanted.manifests)
    for piece in wanted.pieces:
        foreign = [name for name in objects.defined(piece.objects) if facts.definitions.get(name) == ""]
        if foreign:
            yield (
                f"{piece.name} is there already, and not from `forebay up` ({foreign[0]} has no label "
                f"{PIECE_LABEL}); it would be taken over. Leave it as it is with {_without(piece.name)}, or take "
                "another cluster."
            )
    groups = {name.partition(".")[2] for name in facts.definitions} | set(ours.values())
    for group, example in objects.foreign_groups(wanted.everything).items():
        if group not in groups:
            yield (
                f"It has no kinds of {group}, and {example} is one. Install what brings them, or switch it off in your "
                "values (monitoring.enabled needs the Prometheus Operator)."
            )
