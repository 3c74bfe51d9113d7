"""The kind cluster on this machine: whether it exists, is complete, and holds our container images."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay import container_images
from forebay.errors import MachineError
from forebay.install.commands import programs
from forebay.install.commands.planned_command import PlannedCommand
from forebay.install.facts import stored_images
from forebay.install.names import KIND_CLUSTER, KIND_CONTEXT

NODE = f"{KIND_CLUSTER}-control-plane"
CREATING_FILE = "kind-is-being-made"
CREATED_FILE = "kind-was-made"  # by an `up` of this state folder; a cluster of the same name may be somebody's own
OWN_IMAGES = tuple(container_images.image_name(target) for target in container_images.TARGETS)


@dataclass(frozen=True, kw_only=True)
class KindClusterFacts:
    """A kind cluster as it is now."""

    exists: bool
    half_created: bool = False  # an `up` ended while kind was making it
    created_by_up: bool = True  # an `up` of this state folder made it
    reachable: bool = True  # the kubeconfig has its context
    missing_images: tuple[str, ...] = ()  # ours that its node lacks, or has with other content


def read_kind_cluster(folder: Path, *, with_images: bool) -> KindClusterFacts:
    """Look at the kind cluster and at our container images.

    Args:
        folder: where `recorded_creation` leaves its files.
        with_images: whether the node has to hold our container images.

    Raises:
        MachineError: kind or the container engine does not answer, or a container image has not been built.
    """
    exists = cluster_exists()
    half_created = (folder / CREATING_FILE).exists()
    contexts = programs.read_output(("kubectl", "config", "get-contexts", "--output", "name")).stdout.split()
    return KindClusterFacts(
        exists=exists,
        half_created=half_created,
        created_by_up=half_created or was_created_by_up(folder),
        reachable=KIND_CONTEXT in contexts,
        missing_images=_missing_images(exists and not half_created) if with_images else (),
    )


def was_created_by_up(folder: Path) -> bool:
    """Whether an `up` with this state folder made the cluster."""
    return (folder / CREATED_FILE).exists()


def forget_cluster(folder: Path) -> None:
    """Remove the record of a cluster that was deleted."""
    for name in (CREATING_FILE, CREATED_FILE):
        (folder / name).unlink(missing_ok=True)


def cluster_exists() -> bool:
    """Whether kind has made our cluster, or a part of it.

    Raises:
        MachineError: kind cannot tell, mostly because no container engine answers.
    """
    result = programs.read_output(("kind", "get", "clusters"))
    if result.exit_code:
        raise MachineError(
            f"`kind get clusters` ended with {result.exit_code}: {result.message}. Start the container engine, or join "
            "its group (`sudo usermod -aG docker $USER`, then log in again)."
        )
    return KIND_CLUSTER in result.stdout.split()


def _missing_images(running: bool) -> tuple[str, ...]:
    """Our container images that the node lacks, or has with other content."""
    in_engine = stored_images.engine_images(OWN_IMAGES)
    absent = [name for name in OWN_IMAGES if name not in in_engine]
    if absent:
        raise MachineError(
            f"The container engine has no container image {', '.join(absent)}, and kind takes them from it. Build them "
            "in a checkout with `make images`, or pull them from your registry under these names."
        )
    on_node = stored_images.node_images(NODE, OWN_IMAGES) if running else {}
    return tuple(name for name in OWN_IMAGES if not in_engine[name].is_same_image(on_node.get(name)))


def split_commands(commands: Sequence[PlannedCommand]) -> tuple[list[PlannedCommand], list[PlannedCommand]]:
    """The commands that make the cluster, and those that load container images into it."""
    loading = [planned for planned in commands if planned.command[1] == "load"]
    return [planned for planned in commands if planned not in loading], loading


@contextlib.contextmanager
def recorded_creation(folder: Path, commands: Sequence[PlannedCommand]) -> Iterator[None]:
    """Leave a file while a cluster is being made: one that a killed `up` leaves holds nothing and is made anew.

    Another file stays, by which the cluster is known as ours.
    """
    creates = any(planned.command[:3] == ("kind", "create", "cluster") for planned in commands)
    creating = folder / CREATING_FILE
    if creates:
        creating.touch()
    yield
    if creates:
        creating.replace(folder / CREATED_FILE)
