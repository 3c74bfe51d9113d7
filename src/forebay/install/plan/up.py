"""What `forebay up` does, in order, as a list of commands made from facts; nothing here runs one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.install.charts.render import BEFORE_CHART, Piece
from forebay.install.facts import objects
from forebay.install.facts.facts import Facts
from forebay.install.facts.objects import Object
from forebay.install.plan.action import (
    APPLY_S,
    KEPT_ANNOTATION,
    KIND_CLUSTER,
    PIECE_LABEL,
    RELEASE,
    ROLLOUT_S,
    Action,
    Target,
)

APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager", "forebay")


@dataclass(frozen=True, kw_only=True)
class KindFacts:
    """A kind cluster as it is now."""

    exists: bool
    half_made: bool = False  # an `up` ended while kind was making it
    ours: bool = True  # made by an `up` of this state folder
    reachable: bool = True  # the kubeconfig has its context
    missing: tuple[str, ...] = ()  # images of ours that its node does not have, or has another of


@dataclass(frozen=True, kw_only=True)
class Install:
    """What goes onto a cluster, and where its files lie."""

    target: Target
    pieces: Sequence[Piece]
    files: Mapping[str, Path]  # by piece
    chart: Path
    chart_objects: Sequence[Object]
    values: tuple[str, ...]  # words of helm's command line
    description: str  # of the release: chart and values by their digest


def kind_actions(facts: KindFacts, config: Path, node_image: str) -> Iterator[Action]:
    """Make the kind cluster where it is not there, and give it our images.

    Args:
        facts: the cluster now.
        config: of the cluster.
        node_image: kind's image of a node; empty for the one that this version of kind takes.
    """
    name = ("--name", KIND_CLUSTER)
    if facts.exists and facts.half_made:
        yield Action(title="kind: remove the cluster that was half made", command=("kind", "delete", "cluster", *name))
    if not facts.exists or facts.half_made:
        pinned = ("--image", node_image) if node_image else ()
        yield Action(
            title="kind: make the cluster",
            command=("kind", "create", "cluster", *name, "--config", str(config), *pinned, "--wait", "300s"),
            waits="the node to be ready (a first time fetches its image)",
        )
    elif not facts.reachable:
        yield Action(title="kind: write its context", command=("kind", "export", "kubeconfig", *name))
    for image in facts.missing:
        yield Action(title=f"kind: load {image}", command=("kind", "load", "docker-image", image, *name))


def install_actions(install: Install, facts: Facts | None) -> Iterator[Action]:
    """Pieces in their order, the chart where it belongs among them.

    Args:
        install: what is to be there in the end.
        facts: the cluster now; None for one that is not there yet.
    """
    yield from _adoptions(install, facts)
    for piece in install.pieces:
        if piece.name in BEFORE_CHART:
            yield from _piece(install, piece)
    yield from _chart(install, facts)
    for piece in install.pieces:
        if piece.name not in BEFORE_CHART:
            yield from _piece(install, piece)


def _adoptions(install: Install, facts: Facts | None) -> Iterator[Action]:
    """Namespaces that somebody made are marked before they get our labels: `down` keeps them, and gives theirs back."""
    if facts is None:
        return
    for each in (each for piece in install.pieces for each in piece.objects if each["kind"] == "Namespace"):
        name = each["metadata"]["name"]
        if facts.namespaces.get(name) == "":
            yield Action(
                title=f"namespace {name} is yours: `forebay down` will keep it",
                command=install.target.kubectl(
                    "annotate", "namespace", name, f"{KEPT_ANNOTATION}={facts.levels[name].now}", "--overwrite"
                ),
            )


def _piece(install: Install, piece: Piece) -> Iterator[Action]:
    kubectl, selector = install.target.kubectl, ("--selector", f"{PIECE_LABEL}={piece.name}")
    yield Action(
        title=f"{piece.name}: apply",
        command=kubectl(*APPLY, "--filename", str(install.files[piece.name]), *selector),
        patient=True,
    )
    if objects.defined(piece.objects):
        wait = ("wait", "--for=condition=Established", "customresourcedefinitions", *selector)
        yield Action(
            title=f"{piece.name}: definitions",
            command=kubectl(*wait, "--timeout", f"{APPLY_S}s"),
            waits="the API server to serve its kinds",
            patient=True,
        )
    for (namespace, kinds), names in _rollouts(piece.objects).items():
        words = ("rollout", "status", kinds, "--namespace", namespace, *selector, "--timeout", f"{ROLLOUT_S}s")
        yield Action(
            title=f"{piece.name}: {', '.join(names)} in {namespace}",
            command=kubectl(*words),
            waits="their pods to be ready",
            look=install.target.pods(namespace),
        )


def _rollouts(found: Sequence[Object]) -> dict[tuple[str, str], list[str]]:
    """Workload names by namespace and kubectl's word for their kinds."""
    rolled = objects.workloads(found)
    groups: dict[tuple[str, str], list[str]] = {}
    for space in dict.fromkeys(objects.namespace(each) or "default" for each in rolled):
        inside = [each for each in rolled if (objects.namespace(each) or "default") == space]
        kinds = ",".join(dict.fromkeys(each["kind"].lower() + "s" for each in inside))
        groups[space, kinds] = [each["metadata"]["name"] for each in inside]
    return groups


def _chart(install: Install, facts: Facts | None) -> Iterator[Action]:
    release = facts.release if facts else None
    if (
        facts
        and release
        and release.status == "deployed"
        and release.description == install.description
        and facts.whole
    ):
        return
    if release and release.status.startswith("pending-"):
        yield _forget(install.target, release.status)
    if release and release.status == "uninstalling":
        yield Action(
            title="chart: end the removal that was begun",
            command=install.target.helm("uninstall", RELEASE, "--ignore-not-found", "--wait"),
        )
    names = [each["metadata"]["name"] for each in objects.workloads(install.chart_objects)]
    yield Action(
        title=f"chart: {', '.join(names)} in {RELEASE}",
        command=install.target.helm(
            *("upgrade", "--install", RELEASE, str(install.chart), *install.values),
            *("--description", install.description, "--wait", "--timeout", f"{ROLLOUT_S}s"),
        ),
        waits="their pods to be ready",
        patient=True,
        look=install.target.pods(RELEASE),
    )


def _forget(target: Target, status: str) -> Action:
    """helm refuses to go on after it was killed; without the record of that try it takes over what is there."""
    selector = f"owner=helm,name={RELEASE},status={status}"
    return Action(
        title=f"chart: forget the {status.removeprefix('pending-')} that was cut off; what it made stays",
        command=target.kubectl("delete", "secrets", "--namespace", RELEASE, "--selector", selector),
    )
