"""What `forebay down` does, in order, as a list of commands made from facts; nothing here runs one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from forebay.install.charts.render import BEFORE_CHART
from forebay.install.facts.facts import Levels
from forebay.install.plan.action import (
    KEPT_ANNOTATION,
    KIND_CLUSTER,
    PIECE_LABEL,
    RELEASE,
    ROLLOUT_S,
    SECURITY_LABEL,
    Action,
    Target,
)

HELM_LABEL = f"app.kubernetes.io/instance={RELEASE}"  # of everything that the chart makes
DATA = ("namespace", "persistentvolumeclaim", "persistentvolume", "secret")  # kept unless they are asked for
FIRST = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")  # or deleting asks a server that is gone
ENOUGH = ("--ignore-not-found", "--timeout", f"{ROLLOUT_S}s")
SERVED = "inferenceservices.serving.kserve.io"


@dataclass(frozen=True, kw_only=True)
class Present:
    """What of ours a cluster holds now."""

    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by piece, as kubectl names kinds
    instances: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by kind of ours: names of what people made
    release: bool = False
    namespaces: Sequence[str] = ()  # that `up` made
    kept_namespaces: Mapping[str, Levels] = field(default_factory=dict)  # of ours in the label, somebody's in origin
    others: Sequence[str] = ()  # objects in our namespaces that neither we nor the chart made


def down_actions(target: Target, present: Present, pieces: Sequence[str], *, delete_data: bool) -> Iterator[Action]:
    """Remove what there is of ours: first what people made of our kinds, while its controllers live.

    Args:
        target: the cluster.
        present: what it holds; for a cluster that does not answer, what it could hold.
        pieces: in the order of installation.
        delete_data: volumes, Secrets and namespaces as well.
    """
    for kind in sorted(present.instances, key=lambda kind: (kind != SERVED, kind)):
        yield Action(
            title=f"{kind}: remove {len(present.instances[kind]) or 'all'} of them",
            command=target.kubectl("delete", kind, "--all", "--all-namespaces", "--timeout", f"{ROLLOUT_S}s"),
            waits="their controllers to clean up",
        )
    for piece in reversed([name for name in pieces if name not in BEFORE_CHART]):
        yield from _piece(target, present, piece)
    if present.release:
        yield Action(
            title="chart: remove; its volumes and passwords stay",
            command=target.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", f"{ROLLOUT_S}s"),
            waits="its pods to end",
        )
    for piece in reversed([name for name in pieces if name in BEFORE_CHART]):
        yield from _piece(target, present, piece)
    for name, levels in present.kept_namespaces.items():
        if levels.now != levels.before:
            yield Action(
                title=f"namespace {name} is yours: its Pod Security becomes what it was",
                command=target.kubectl("label", "namespace", name, *_labels(levels.before), "--overwrite"),
            )
    if delete_data:
        yield from _data(target, present)


def _labels(levels: str) -> list[str]:
    """What is noted in the annotation, as words of `kubectl label`."""
    pairs = [each.partition("=") for each in levels.split(",") if "=" in each]
    return [SECURITY_LABEL + (f"{mode}={level}" if level else f"{mode}-") for mode, _, level in pairs]


def _piece(target: Target, present: Present, piece: str) -> Iterator[Action]:
    kinds = [kind for kind in present.kinds.get(piece, ()) if kind.partition(".")[0] not in DATA]
    kinds.sort(key=lambda kind: kind.partition(".")[0] not in FIRST)
    if kinds:
        selector = ("--all-namespaces", "--selector", f"{PIECE_LABEL}={piece}", "--ignore-not-found")
        yield Action(
            title=f"{piece}: remove",
            command=target.kubectl("delete", ",".join(kinds), *selector, "--timeout", f"{ROLLOUT_S}s"),
            waits="them to be gone",
        )


def _data(target: Target, present: Present) -> Iterator[Action]:
    for name in present.kept_namespaces:
        for selector in (PIECE_LABEL, HELM_LABEL):
            words = ("delete", "persistentvolumeclaims,secrets", "--namespace", name, "--selector", selector)
            yield Action(
                title=f"namespace {name} is yours and stays; our volumes and passwords in it go",
                command=target.kubectl(*words, "--ignore-not-found"),
            )
        for verb, key in (("label", PIECE_LABEL), ("annotate", KEPT_ANNOTATION)):
            yield Action(
                title=f"namespace {name}: our {verb} goes",
                command=target.kubectl(verb, "namespace", name, f"{key}-"),
            )
    if present.namespaces:
        yield Action(
            title="namespaces, with all that is left in them",
            command=target.kubectl("delete", "namespaces", *present.namespaces, *ENOUGH),
            waits="them to be gone",
        )


def kind_removal() -> Action:
    """The whole cluster goes, with the volumes that live in it."""
    return Action(
        title="kind: remove the cluster and everything in it",
        command=("kind", "delete", "cluster", "--name", KIND_CLUSTER),
    )
