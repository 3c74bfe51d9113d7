"""The kind cluster on this machine: whether it is there, whole, and holds our images."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay import container_images
from forebay.errors import MachineError
from forebay.install.commands import tools
from forebay.install.facts import stored
from forebay.install.plan.action import KIND_CLUSTER, KIND_CONTEXT, Action
from forebay.install.plan.up import KindFacts

NODE = f"{KIND_CLUSTER}-control-plane"
MARKER = "kind-is-being-made"
MADE = "kind-was-made"  # by an `up` of this state folder; one of the same name may be somebody's own
IMAGES = tuple(container_images.image_name(target) for target in container_images.TARGETS)


def read_kind(folder: Path, *, with_images: bool) -> KindFacts:
    """Look at the kind cluster and at our images.

    Args:
        folder: where `half_made` leaves its mark.
        with_images: whether the node has to hold our images.

    Raises:
        MachineError: kind or the container engine does not answer, or an image has not been built.
    """
    exists = cluster_exists()
    half = (folder / MARKER).exists()
    contexts = tools.read(("kubectl", "config", "get-contexts", "--output", "name")).out.split()
    missing = _missing(exists and not half) if with_images else ()
    return KindFacts(
        exists=exists,
        half_made=half,
        ours=half or was_made(folder),
        reachable=KIND_CONTEXT in contexts,
        missing=missing,
    )


def was_made(folder: Path) -> bool:
    """Whether an `up` with this state folder made the cluster."""
    return (folder / MADE).exists()


def forget(folder: Path) -> None:
    """The cluster is gone."""
    for mark in (MARKER, MADE):
        (folder / mark).unlink(missing_ok=True)


def cluster_exists() -> bool:
    """Whether kind has made our cluster, or a part of it.

    Raises:
        MachineError: kind cannot tell, mostly because no container engine answers.
    """
    answer = tools.read(("kind", "get", "clusters"))
    if answer.code:
        raise MachineError(
            f"`kind get clusters` ended with {answer.code}: {answer.words}. Start the container engine, or join its "
            "group (`sudo usermod -aG docker $USER`, then log in again)."
        )
    return KIND_CLUSTER in answer.out.split()


def _missing(running: bool) -> tuple[str, ...]:
    """Our images that the node lacks, or has from other content."""
    here = stored.in_engine(IMAGES)
    absent = [name for name in IMAGES if name not in here]
    if absent:
        raise MachineError(
            f"The container engine has no image {', '.join(absent)}, and kind takes them from it. Build them in a "
            "checkout with `make images`, or pull them from your registry under these names."
        )
    there = stored.on_node(NODE, IMAGES) if running else {}
    return tuple(name for name in IMAGES if not here[name].same(there.get(name)))


def split(actions: Sequence[Action]) -> tuple[list[Action], list[Action]]:
    """Those that make the cluster, and those that fill it."""
    filling = [action for action in actions if action.command[1] == "load"]
    return [action for action in actions if action not in filling], filling


@contextlib.contextmanager
def half_made(folder: Path, actions: Sequence[Action]) -> Iterator[None]:
    """Leave a mark while a cluster is being made: one that a killed `up` leaves holds nothing and is made anew.

    Another mark stays, by which the cluster is known as ours.
    """
    making = any(action.command[:3] == ("kind", "create", "cluster") for action in actions)
    marker = folder / MARKER
    if making:
        marker.touch()
    yield
    if making:
        marker.replace(folder / MADE)
