"""The commands of `forebay up` in their order, planned from facts; nothing here runs one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.install.charts.render import BEFORE_CHART, PlatformPiece
from forebay.install.commands.cluster_target import ClusterTarget
from forebay.install.commands.planned_command import APPLY_TIMEOUT_S, ROLLOUT_TIMEOUT_S, PlannedCommand
from forebay.install.facts import kubernetes_objects
from forebay.install.facts.cluster_facts import ClusterFacts, HelmRelease
from forebay.install.facts.kind_cluster import KindClusterFacts
from forebay.install.facts.kubernetes_objects import Object
from forebay.install.names import KEPT_ANNOTATION, KIND_CLUSTER, PIECE_LABEL, RELEASE

APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager", "forebay")


@dataclass(frozen=True, kw_only=True)
class PlatformInstall:
    """What goes onto a cluster, and where its files are."""

    target: ClusterTarget
    pieces: Sequence[PlatformPiece]
    files: Mapping[str, Path]  # by piece
    chart: Path
    chart_objects: Sequence[Object]
    value_arguments: tuple[str, ...]  # helm's, for the chart's values
    description: str  # what the release will be called: chart and values by their digest


def kind_commands(facts: KindClusterFacts, config: Path, node_image: str) -> Iterator[PlannedCommand]:
    """Make the kind cluster where it does not exist, and load our container images into it.

    Args:
        facts: the cluster now.
        config: kind's configuration of the cluster.
        node_image: kind's container image of a node; empty for the one that this version of kind chooses.
    """
    name = ("--name", KIND_CLUSTER)
    if facts.exists and facts.half_created:
        remove = ("kind", "delete", "cluster", *name)
        yield PlannedCommand(title="kind: remove the cluster that was half made", command=remove)
    if not facts.exists or facts.half_created:
        pinned = ("--image", node_image) if node_image else ()
        yield PlannedCommand(
            title="kind: make the cluster",
            command=("kind", "create", "cluster", *name, "--config", str(config), *pinned, "--wait", "300s"),
            waits_for="the node to be ready (a first time fetches its image)",
        )
    elif not facts.reachable:
        yield PlannedCommand(title="kind: write its context", command=("kind", "export", "kubeconfig", *name))
    for image in facts.missing_images:
        yield PlannedCommand(title=f"kind: load {image}", command=("kind", "load", "docker-image", image, *name))


def install_commands(install: PlatformInstall, facts: ClusterFacts | None) -> Iterator[PlannedCommand]:
    """Apply the pieces in their order, with the chart at its place among them.

    Args:
        install: what is wanted in the end.
        facts: the cluster now; None for one that does not exist yet.
    """
    yield from _keep_namespaces(install, facts)
    for piece in install.pieces:
        if piece.name in BEFORE_CHART:
            yield from _apply_piece(install, piece)
    yield from _upgrade_chart(install, facts)
    for piece in install.pieces:
        if piece.name not in BEFORE_CHART:
            yield from _apply_piece(install, piece)


def _keep_namespaces(install: PlatformInstall, facts: ClusterFacts | None) -> Iterator[PlannedCommand]:
    """Annotate namespaces that somebody made before they get our labels: `down` keeps and restores them."""
    if facts is None:
        return
    for each in (each for piece in install.pieces for each in piece.objects if each["kind"] == "Namespace"):
        name = each["metadata"]["name"]
        if facts.namespaces.get(name) == "":
            annotation = f"{KEPT_ANNOTATION}={facts.pod_security[name].now}"
            yield PlannedCommand(
                title=f"namespace {name} is yours: `forebay down` will keep it",
                command=install.target.kubectl("annotate", "namespace", name, annotation, "--overwrite"),
            )


def _apply_piece(install: PlatformInstall, piece: PlatformPiece) -> Iterator[PlannedCommand]:
    kubectl, selector = install.target.kubectl, ("--selector", f"{PIECE_LABEL}={piece.name}")
    yield PlannedCommand(
        title=f"{piece.name}: apply",
        command=kubectl(*APPLY, "--filename", str(install.files[piece.name]), *selector),
        retried_while_starting=True,
    )
    if kubernetes_objects.crd_groups(piece.objects):
        wait = ("wait", "--for=condition=Established", "customresourcedefinitions", *selector)
        yield PlannedCommand(
            title=f"{piece.name}: definitions",
            command=kubectl(*wait, "--timeout", f"{APPLY_TIMEOUT_S}s"),
            waits_for="the API server to serve its kinds",
            retried_while_starting=True,
        )
    for (namespace, kinds), names in _rollouts(piece.objects).items():
        status = ("rollout", "status", kinds, "--namespace", namespace, *selector)
        yield PlannedCommand(
            title=f"{piece.name}: {', '.join(names)} in {namespace}",
            command=kubectl(*status, "--timeout", f"{ROLLOUT_TIMEOUT_S}s"),
            waits_for="their pods to be ready",
            diagnosis=install.target.list_pods(namespace),
        )


def _rollouts(objects: Sequence[Object]) -> dict[tuple[str, str], list[str]]:
    """Workload names by namespace and by their kinds as kubectl lists them."""
    workloads = kubernetes_objects.rolled_out(objects)
    groups: dict[tuple[str, str], list[str]] = {}
    for namespace in dict.fromkeys(kubernetes_objects.namespace_of(each) or "default" for each in workloads):
        inside = [each for each in workloads if (kubernetes_objects.namespace_of(each) or "default") == namespace]
        kinds = ",".join(dict.fromkeys(each["kind"].lower() + "s" for each in inside))
        groups[namespace, kinds] = [each["metadata"]["name"] for each in inside]
    return groups


def _upgrade_chart(install: PlatformInstall, facts: ClusterFacts | None) -> Iterator[PlannedCommand]:
    release = facts.release if facts else None
    if facts and facts.release_complete and release == HelmRelease("deployed", install.description):
        return
    if release and release.status.startswith("pending-"):
        yield _forget_attempt(install.target, release.status)
    if release and release.status == "uninstalling":
        yield PlannedCommand(
            title="chart: finish the removal that was begun",
            command=install.target.helm("uninstall", RELEASE, "--ignore-not-found", "--wait"),
        )
    names = [each["metadata"]["name"] for each in kubernetes_objects.rolled_out(install.chart_objects)]
    yield PlannedCommand(
        title=f"chart: {', '.join(names)} in {RELEASE}",
        command=install.target.helm(
            *("upgrade", "--install", RELEASE, str(install.chart), *install.value_arguments),
            *("--description", install.description, "--wait", "--timeout", f"{ROLLOUT_TIMEOUT_S}s"),
        ),
        waits_for="their pods to be ready",
        retried_while_starting=True,
        diagnosis=install.target.list_pods(RELEASE),
    )


def _forget_attempt(target: ClusterTarget, status: str) -> PlannedCommand:
    """After it was killed, helm refuses to go on; without the record of that attempt it takes over what is there."""
    selector = f"owner=helm,name={RELEASE},status={status}"
    return PlannedCommand(
        title=f"chart: forget the {status.removeprefix('pending-')} that was cut off; what it made stays",
        command=target.kubectl("delete", "secrets", "--namespace", RELEASE, "--selector", selector),
    )
