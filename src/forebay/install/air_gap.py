"""Every image of the platform in one file, for a cluster that reaches no registry but one of the user's."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay import container_images
from forebay.errors import ConfigError
from forebay.install.charts.render import rendered
from forebay.install.charts.sources import EXTRAS, Sources, read_yaml
from forebay.install.plan.action import Action
from forebay.state.files import write_bytes

AIRGAP = "airgap"  # the scenario whose images come from one registry
WRITTEN = ".written-by-forebay-bundle"  # in folders that may be written anew
CHART_IMAGES = ("postgres", "s3")  # in the chart's values; by their whole names


@dataclass(frozen=True)
class Image:
    """An image of the platform and whose it is."""

    name: str
    owner: str  # forebay, chart, or a piece of manifests/
    ours: bool = False  # built here, pulled from nowhere

    def digest_command(self) -> str:
        """What prints the digest that the name has at this moment."""
        if self.ours:
            return f"docker image inspect --format '{{{{.Id}}}}' {self.name}"
        return f"docker buildx imagetools inspect --format '{{{{.Manifest.Digest}}}}' {self.name}"

    def mirrored(self, registry: str) -> str:
        """Its name in a registry of the user's."""
        return container_images.mirrored_name(self.name, registry)


def images(sources: Sources) -> list[Image]:
    """Every image that the platform runs: ours, the chart's, and upstream's with the optional pieces."""
    ours = [Image(container_images.image_name(target), "forebay", ours=True) for target in container_images.TARGETS]
    values = read_yaml(sources.chart / "values.yaml")["images"]
    upstream = [Image(each["image"], each["piece"]) for each in sources.images()]
    return [*ours, *(Image(values[key], "chart") for key in CHART_IMAGES), *upstream]


def renamed(sources: Sources, registry: str) -> dict[str, str]:
    """What takes the place of what in rendered manifests: the airgap overlay's registry, and images of optional pieces.

    Args:
        sources: the manifests.
        registry: the user's; empty to change nothing.
    """
    if not registry:
        return {}
    others = [image for image in images(sources) if not image.ours]
    extras = {f"image: {each.name}": f"image: {each.mirrored(registry)}" for each in others if each.owner in EXTRAS}
    arguments = {f"-image={each.name}": f"-image={each.mirrored(registry)}" for each in others}
    return {f"{sources.mirror()}/": f"{registry}/", **extras, **arguments}


def chart_words(given: Mapping[str, Any], registry: str) -> tuple[str, ...]:
    """Words of helm's command line by which the chart takes its images from a registry; none where there is none.

    Args:
        given: the chart's values, the user's among them.
        registry: the user's.
    """
    if not registry:
        return ()
    others = (f"images.{key}={container_images.mirrored_name(given['images'][key], registry)}" for key in CHART_IMAGES)
    return tuple(word for each in (f"images.registry={registry}", *others) for word in ("--set", each))


def write_rendered(sources: Sources, target: Path) -> Path:
    """Write a copy of the manifests that fetches nothing: every scenario behind an air gap in it is rendered already.

    Args:
        sources: the manifests; the pieces of others are fetched now.
        target: folder to write, for `forebay up --manifests`; one that this wrote before is written anew.

    Raises:
        ConfigError: a folder does not render, or something else is at that place; it is left as it was.
    """
    if target.exists() and not (target / WRITTEN).is_file():
        raise ConfigError(f"{target} is there and was not written by this command. Name another file, or move it away.")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _render_into(sources, part)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return target


def _render_into(sources: Sources, target: Path) -> None:
    optional = [sources.manifests / "optional" / name for name in EXTRAS]
    for folder in [sources.overlay(AIRGAP), *(each for each in optional if each.is_dir())]:
        copy = target / folder.relative_to(sources.manifests)
        copy.mkdir(parents=True)
        write_bytes(copy / "rendered.yaml", rendered(folder).encode())
        write_bytes(copy / "kustomization.yaml", b"resources: [rendered.yaml]\n")
    for name in ("versions.yaml", "images.yaml", "kind.yaml"):
        shutil.copy(sources.manifests / name, target / name)
    (target / WRITTEN).touch()


def save_actions(found: Sequence[Image], present: Sequence[str], file: Path) -> Iterator[Action]:
    """Pull what this machine's engine lacks, then write one file; its layers stand in it once.

    Args:
        found: every image.
        present: names that the engine has.
        file: to write; whole or absent.
    """
    for image in found:
        if image.name not in present:
            yield Action(title=f"pull {image.name}", command=("docker", "pull", "--quiet", image.name))
    part = file.with_name(f".{file.name}.part")
    yield Action(
        title=f"write {len(found)} images",
        command=("docker", "save", "--output", str(part), *(image.name for image in found)),
    )
    yield Action(title=f"name it {file}", command=("mv", str(part), str(file)))


def load_actions(found: Sequence[Image], file: Path, registry: str) -> Iterator[Action]:
    """Read the file and push every image to the registry; what it has already costs no transfer.

    Args:
        found: every image.
        file: that `save_actions` wrote.
        registry: host and path, such as registry.example.com/team; log in to it first with `docker login`.
    """
    yield Action(title=f"read {file}", command=("docker", "load", "--quiet", "--input", str(file)))
    for image in found:
        name = image.mirrored(registry)
        yield Action(title=f"tag {name}", command=("docker", "tag", image.name, name))
        yield Action(title=f"push {name}", command=("docker", "push", "--quiet", name))
