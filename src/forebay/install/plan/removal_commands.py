"""The commands of `forebay down` in their order, planned from facts; nothing here runs one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from forebay.install.charts.render import BEFORE_CHART
from forebay.install.commands.cluster_target import ClusterTarget
from forebay.install.commands.planned_command import ROLLOUT_TIMEOUT_S, PlannedCommand
from forebay.install.facts.cluster_facts import PodSecurityLevels
from forebay.install.names import HELM_LABEL, KEPT_ANNOTATION, KIND_CLUSTER, PIECE_LABEL, RELEASE, SECURITY_LABEL

DATA_KINDS = ("namespace", "persistentvolumeclaim", "persistentvolume", "secret")  # stay, unless data are to go too
DELETED_FIRST = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")  # else deleting asks a dead server
TIMEOUT_OPTIONS = ("--timeout", f"{ROLLOUT_TIMEOUT_S}s")
SERVED_MODELS = "inferenceservices.serving.kserve.io"


@dataclass(frozen=True, kw_only=True)
class InstalledObjects:
    """What a cluster holds of ours now."""

    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by piece, as kubectl names kinds
    instances: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by kind of ours: names of what people made
    release: bool = False
    namespaces: Sequence[str] = ()  # that `up` made
    kept_namespaces: Mapping[str, PodSecurityLevels] = field(default_factory=dict)  # with our label, made by somebody
    others: Sequence[str] = ()  # objects in our namespaces that neither we nor the chart made


def removal_commands(
    target: ClusterTarget, installed: InstalledObjects, pieces: Sequence[str], *, delete_data: bool
) -> Iterator[PlannedCommand]:
    """Remove everything of ours: first what people made of our kinds, while its controllers still run.

    Args:
        target: the cluster.
        installed: what it holds; for a cluster that does not answer, what it could hold.
        pieces: in the order of installation.
        delete_data: remove volumes, Secrets and namespaces as well.
    """
    for kind in sorted(installed.instances, key=lambda kind: (kind != SERVED_MODELS, kind)):
        yield PlannedCommand(
            title=f"{kind}: remove {len(installed.instances[kind]) or 'all'} of them",
            command=target.kubectl("delete", kind, "--all", "--all-namespaces", *TIMEOUT_OPTIONS),
            waits_for="their controllers to clean up",
        )
    for piece in reversed([name for name in pieces if name not in BEFORE_CHART]):
        yield from _remove_piece(target, installed, piece)
    if installed.release:
        yield PlannedCommand(
            title="chart: remove; its volumes and passwords stay",
            command=target.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", *TIMEOUT_OPTIONS),
            waits_for="its pods to end",
        )
    for piece in reversed([name for name in pieces if name in BEFORE_CHART]):
        yield from _remove_piece(target, installed, piece)
    yield from _restore_pod_security(target, installed)
    if delete_data:
        yield from _delete_data(target, installed)


def _restore_pod_security(target: ClusterTarget, installed: InstalledObjects) -> Iterator[PlannedCommand]:
    for name, levels in installed.kept_namespaces.items():
        if levels.now != levels.before:
            yield PlannedCommand(
                title=f"namespace {name} is yours: its Pod Security becomes what it was",
                command=target.kubectl("label", "namespace", name, *_labels(levels.before), "--overwrite"),
            )


def _labels(levels: str) -> list[str]:
    """The levels that the annotation holds, as arguments of `kubectl label`."""
    pairs = [each.partition("=") for each in levels.split(",") if "=" in each]
    return [SECURITY_LABEL + (f"{mode}={level}" if level else f"{mode}-") for mode, _, level in pairs]


def _remove_piece(target: ClusterTarget, installed: InstalledObjects, piece: str) -> Iterator[PlannedCommand]:
    kinds = [kind for kind in installed.kinds.get(piece, ()) if kind.partition(".")[0] not in DATA_KINDS]
    kinds.sort(key=lambda kind: kind.partition(".")[0] not in DELETED_FIRST)
    if kinds:
        selector = ("--all-namespaces", "--selector", f"{PIECE_LABEL}={piece}", "--ignore-not-found")
        yield PlannedCommand(
            title=f"{piece}: remove",
            command=target.kubectl("delete", ",".join(kinds), *selector, *TIMEOUT_OPTIONS),
            waits_for="them to be gone",
        )


def _delete_data(target: ClusterTarget, installed: InstalledObjects) -> Iterator[PlannedCommand]:
    for name in installed.kept_namespaces:
        for selector in (PIECE_LABEL, HELM_LABEL):
            delete = ("delete", "persistentvolumeclaims,secrets", "--namespace", name, "--selector", selector)
            yield PlannedCommand(
                title=f"namespace {name} is yours and stays; our volumes and passwords in it go",
                command=target.kubectl(*delete, "--ignore-not-found"),
            )
        for verb, noun, key in (("label", "label", PIECE_LABEL), ("annotate", "annotation", KEPT_ANNOTATION)):
            yield PlannedCommand(
                title=f"namespace {name}: our {noun} goes",
                command=target.kubectl(verb, "namespace", name, f"{key}-"),
            )
    if installed.namespaces:
        namespaces = (*installed.namespaces, "--ignore-not-found", *TIMEOUT_OPTIONS)
        yield PlannedCommand(
            title="namespaces, with all that is left in them",
            command=target.kubectl("delete", "namespaces", *namespaces),
            waits_for="them to be gone",
        )


def kind_removal() -> PlannedCommand:
    """Remove the whole cluster, with the volumes in it."""
    return PlannedCommand(
        title="kind: remove the cluster and everything in it",
        command=("kind", "delete", "cluster", "--name", KIND_CLUSTER),
    )
