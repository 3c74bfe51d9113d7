"""Every container image of the platform in one file, for a cluster that reaches only a registry of the user's."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay import container_images
from forebay.errors import ConfigError
from forebay.install.charts.render import render_folder
from forebay.install.charts.sources import OPTIONAL_PIECES, InstallSources, read_yaml
from forebay.install.commands.planned_command import PlannedCommand
from forebay.state.files import write_bytes

AIR_GAP_SCENARIO = "airgap"  # the scenario whose container images come from one registry
MARKER_FILE = ".written-by-forebay-bundle"  # in folders that may be replaced
CHART_IMAGES = ("postgres", "s3")  # keys of the chart's values that hold whole names


@dataclass(frozen=True)
class PlatformImage:
    """A container image of the platform, and whose it is."""

    name: str
    owner: str  # forebay, chart, or a piece of manifests/
    ours: bool = False  # built in a checkout; no registry of others has it

    def digest_command(self) -> str:
        """The command that prints the digest that the name has now."""
        if self.ours:
            return f"docker image inspect --format '{{{{.Id}}}}' {self.name}"
        return f"docker buildx imagetools inspect --format '{{{{.Manifest.Digest}}}}' {self.name}"

    def mirrored_name(self, registry: str) -> str:
        """Its name in a registry of the user's."""
        return container_images.mirrored_name(self.name, registry)


def platform_images(sources: InstallSources) -> list[PlatformImage]:
    """Every container image that the platform runs: ours, the chart's, and upstream's with the optional pieces."""
    ours = [
        PlatformImage(container_images.image_name(target), "forebay", ours=True) for target in container_images.TARGETS
    ]
    values = read_yaml(sources.chart / "values.yaml")["images"]
    upstream = [PlatformImage(each["image"], each["piece"]) for each in sources.upstream_images()]
    return [*ours, *(PlatformImage(values[key], "chart") for key in CHART_IMAGES), *upstream]


def image_replacements(sources: InstallSources, registry: str) -> dict[str, str]:
    """Texts to replace in rendered manifests, so that every container image comes from one registry.

    Args:
        sources: the manifests.
        registry: the user's; empty to replace nothing.

    Returns:
        New texts by old ones: the airgap overlay's registry, and the images of optional pieces.
    """
    if not registry:
        return {}
    others = [image for image in platform_images(sources) if not image.ours]
    extras = {
        f"image: {each.name}": f"image: {each.mirrored_name(registry)}"
        for each in others
        if each.owner in OPTIONAL_PIECES
    }
    arguments = {f"-image={each.name}": f"-image={each.mirrored_name(registry)}" for each in others}
    return {f"{sources.overlay_registry()}/": f"{registry}/", **extras, **arguments}


def chart_image_arguments(values: Mapping[str, Any], registry: str) -> tuple[str, ...]:
    """Arguments of helm by which the chart takes its container images from a registry.

    Args:
        values: the chart's, merged with the user's.
        registry: the user's; empty for no arguments.
    """
    if not registry:
        return ()
    others = (f"images.{key}={container_images.mirrored_name(values['images'][key], registry)}" for key in CHART_IMAGES)
    return tuple(argument for each in (f"images.registry={registry}", *others) for argument in ("--set", each))


def write_rendered_manifests(sources: InstallSources, target: Path) -> Path:
    """Write a copy of the manifests that needs no network: what an air-gapped cluster takes is rendered.

    Args:
        sources: the manifests; upstream's are fetched now.
        target: folder to write, for `forebay up --manifests`; one that this function wrote before is replaced.

    Raises:
        ConfigError: a folder does not render, or something else is there, which is left as it was.
    """
    if target.exists() and not (target / MARKER_FILE).is_file():
        raise ConfigError(f"{target} exists and was not written by this command. Name another file, or move it away.")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _render_into(sources, part)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return target


def _render_into(sources: InstallSources, target: Path) -> None:
    optional = [sources.manifests / "optional" / name for name in OPTIONAL_PIECES]
    for folder in [sources.overlay_folder(AIR_GAP_SCENARIO), *(each for each in optional if each.is_dir())]:
        copy = target / folder.relative_to(sources.manifests)
        copy.mkdir(parents=True)
        write_bytes(copy / "rendered.yaml", render_folder(folder).encode())
        write_bytes(copy / "kustomization.yaml", b"resources: [rendered.yaml]\n")
    for name in ("versions.yaml", "images.yaml", "kind.yaml"):
        shutil.copy(sources.manifests / name, target / name)
    (target / MARKER_FILE).touch()


def save_commands(images: Sequence[PlatformImage], present: Sequence[str], file: Path) -> Iterator[PlannedCommand]:
    """Pull what this machine's engine lacks, then write one file that holds each layer once.

    Args:
        images: every container image.
        present: names that the engine has.
        file: the file to write; it is complete or absent.
    """
    for image in images:
        if image.name not in present:
            yield PlannedCommand(title=f"pull {image.name}", command=("docker", "pull", "--quiet", image.name))
    part = file.with_name(f".{file.name}.part")
    yield PlannedCommand(
        title=f"write {len(images)} images",
        command=("docker", "save", "--output", str(part), *(image.name for image in images)),
    )
    yield PlannedCommand(title=f"name it {file}", command=("mv", str(part), str(file)))


def load_commands(images: Sequence[PlatformImage], file: Path, registry: str) -> Iterator[PlannedCommand]:
    """Read the file and push every container image to the registry; layers that it has already are not transferred.

    Args:
        images: every container image.
        file: the one that `save_commands` wrote.
        registry: host and path, such as registry.example.com/team; log in to it first with `docker login`.
    """
    yield PlannedCommand(title=f"read {file}", command=("docker", "load", "--quiet", "--input", str(file)))
    for image in images:
        name = image.mirrored_name(registry)
        yield PlannedCommand(title=f"tag {name}", command=("docker", "tag", image.name, name))
        yield PlannedCommand(title=f"push {name}", command=("docker", "push", "--quiet", name))
