"""What an installation requires of a cluster and of the user's values; each refusal says value, rule and fix."""

from collections.abc import Iterator
from decimal import Decimal

from forebay.errors import MachineError
from forebay.install.charts.values import ChartValues, keys_naming
from forebay.install.facts import kubernetes_objects
from forebay.install.facts.cluster_facts import SET_DEFAULT_CLASS, ClusterFacts
from forebay.install.names import PIECE_LABEL
from forebay.install.plan.rendered_platform import RenderedPlatform
from forebay.install.request import DEPENDENT_PIECES

GIB = 2**30
LARGEST_STEP_CPU = Decimal("0.5")  # largest request of a step in the compiled pipeline; a test compares it
LARGEST_STEP_MEMORY = Decimal(4 * 10**9)


def check_requirements(context: str, facts: ClusterFacts, wanted: RenderedPlatform) -> None:
    """Refuse a cluster that the platform cannot be installed on, with every reason at once.

    Raises:
        MachineError: the cluster lacks something.
    """
    found = list(refusals(facts, wanted))
    if not found:
        return
    reasons = found[0] if len(found) == 1 else " ".join(f"({at}) {each}" for at, each in enumerate(found, 1))
    raise MachineError(f"The platform cannot be installed on the cluster of {context}; nothing was changed. {reasons}")


def refusals(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    """Every reason against installing."""
    yield from _version(facts, wanted.minimum_version)
    if not facts.may_install:
        yield (
            "`kubectl auth can-i '*' '*' --all-namespaces` says no: definitions and cluster roles can be installed "
            "by a cluster administrator only. Take a context with these rights."
        )
    yield from _namespaces(facts, wanted)
    yield from _storage(facts, wanted)
    yield from _secrets(facts, wanted)
    yield from _disagreements(wanted)
    yield from _capacity(facts, wanted)
    yield from _gpu(facts, wanted.values)
    yield from _crds(facts, wanted)


def _version(facts: ClusterFacts, minimum: str) -> Iterator[str]:
    major, minor = minimum.split(".")[:2]
    if facts.version < (int(major), int(minor)):
        yield (
            f"Its Kubernetes is {'.'.join(map(str, facts.version))}, and {minimum} or newer is needed. Update it, or "
            "take another cluster (`forebay up --cluster kind` makes one)."
        )


def _namespaces(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    """The chart makes no namespace; where the piece that does is excluded, somebody else has to."""
    made = {each["metadata"]["name"] for each in wanted.manifests if each["kind"] == "Namespace"}
    for name in sorted({kubernetes_objects.namespace_of(each) for each in wanted.chart_objects} - made - {""}):
        if name not in facts.namespaces:
            keys = ", ".join(keys_naming(wanted.values, name)) or "the chart"
            yield (
                f"There is no namespace {name!r}, which {keys} names, and the piece that makes it is excluded. Make it "
                f"(`kubectl create namespace {name}`), or name another."
            )


def _storage(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    known = ", ".join(sorted(facts.storage_classes)) or "none at all"
    for name, claim in kubernetes_objects.requested_storage_classes(wanted.all_objects).items():
        if name and name not in facts.storage_classes:
            keys = ", ".join(keys_naming(wanted.values, name)) or claim
            yield (
                f"There is no storage class {name!r}, which {keys} names; there is {known}. Name one of "
                "these, or make it."
            )
        if not name and not any(facts.storage_classes.values()):
            yield (
                f"It has no default storage class, and {claim} asks for it; there is {known}. Mark one: "
                f"`kubectl {SET_DEFAULT_CLASS}`."
            )


def _disagreements(wanted: RenderedPlatform) -> Iterator[str]:
    """Where the chart's values and the manifests say different things."""
    values = wanted.values
    launcher = next((each for each in wanted.manifests if each["metadata"]["name"] == "kfp-launcher"), None)
    pipelines = values.get("pipelines") or {}
    if launcher is None or not pipelines.get("enabled"):
        return
    namespace = kubernetes_objects.namespace_of(launcher)
    if pipelines.get("namespace") != namespace:
        yield (
            f"pipelines.namespace is {pipelines.get('namespace')!r}, and the manifests install Kubeflow "
            f"Pipelines in {namespace}. Set pipelines.namespace={namespace}."
        )
    root = str((launcher.get("data") or {}).get("defaultPipelineRoot", ""))
    bucket = root.partition("//")[2].partition("/")[0]
    named = (values.get("buckets") or {}).get("pipelines")
    if (values.get("objectStore") or {}).get("mode") == "bundled" and bucket and bucket != named:
        yield (
            f"buckets.pipelines is {named!r}, and the manifests keep artifacts in {root}. "
            f"Set buckets.pipelines={bucket}."
        )


def _secrets(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    for (namespace, name), keys in facts.secrets.items():
        needed = wanted.secrets().get((namespace, name), set())
        option = ", ".join(keys_naming(wanted.values, name)) or "a pod"
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


def _capacity(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    needed = kubernetes_objects.total_requests(wanted.all_objects)
    free = _free(facts)
    if free["cpu"] < needed["cpu"]:
        yield (
            f"Its ready nodes have {free['cpu'].normalize():f} CPUs free, and {needed['cpu'].normalize():f} are "
            "requested all the time. Add nodes or larger ones."
        )
    if free["memory"] < needed["memory"]:
        yield (
            f"Its ready nodes have {free['memory'] / GIB:.1f} GiB of memory free, and {needed['memory'] / GIB:.1f} GiB "
            "are requested all the time. Add nodes or larger ones; for kind give the container engine more."
        )


def _free(facts: ClusterFacts) -> dict[str, Decimal]:
    return {
        name: facts.allocatable.get(name, Decimal(0)) - facts.requested_by_others.get(name, 0)
        for name in ("cpu", "memory")
    }


def capacity_notes(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    """What a later step may wait for on a cluster that is large enough now; the cluster may grow by itself."""
    needed, free = kubernetes_objects.total_requests(wanted.all_objects), _free(facts)
    cpu, memory = free["cpu"] - needed["cpu"], free["memory"] - needed["memory"]
    if cpu < LARGEST_STEP_CPU or memory < LARGEST_STEP_MEMORY:
        yield (
            f"Beside all this, {cpu.normalize():f} CPUs and {memory / GIB:.1f} GiB stay free on the ready nodes, and "
            f"the training step of a pipeline asks for {LARGEST_STEP_CPU} and {LARGEST_STEP_MEMORY / GIB:.1f}: "
            "it will wait until there is room."
        )


def _gpu(facts: ClusterFacts, values: ChartValues) -> Iterator[str]:
    gpu = values.get("gpu") or {}
    resource = gpu.get("resource", "")
    if gpu.get("enabled") and not facts.allocatable.get(resource):
        offered = ", ".join(sorted(name for name in facts.allocatable if "/" in name)) or "no such resource at all"
        yield (
            f"gpu.enabled is true and no ready node offers {resource} (there is {offered}). Install the vendor's "
            "device plugin or GPU operator, name the resource in gpu.resource, or set gpu.enabled=false."
        )


def _without(piece: str) -> str:
    return " ".join(f"--without {name}" for name in filter(None, (piece, DEPENDENT_PIECES.get(piece))))


def _crds(facts: ClusterFacts, wanted: RenderedPlatform) -> Iterator[str]:
    ours = kubernetes_objects.crd_groups(wanted.manifests)
    for piece in wanted.pieces:
        foreign = [name for name in kubernetes_objects.crd_groups(piece.objects) if facts.crds.get(name) == ""]
        if foreign:
            yield (
                f"{piece.name} is there already, and not from `forebay up` ({foreign[0]} has no label "
                f"{PIECE_LABEL}); installing would take it over. Leave it as it is with {_without(piece.name)}, or "
                "take another cluster."
            )
    groups = {name.partition(".")[2] for name in facts.crds} | set(ours.values())
    for group, example in kubernetes_objects.custom_api_groups(wanted.all_objects).items():
        if group not in groups:
            yield (
                f"It has no kinds of {group}, and {example} is one. Install what brings them, or switch it off in your "
                "values (monitoring.enabled needs the Prometheus Operator)."
            )
