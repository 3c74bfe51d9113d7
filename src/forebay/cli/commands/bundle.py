"""`forebay bundle`: every image of the platform, listed, saved to a file, loaded into a registry."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.cli.command import command
from forebay.cli.options import NearChoice, require_writable
from forebay.errors import ConfigError
from forebay.state import Home
from forebay.state.file_modes import apply_user_umask

if TYPE_CHECKING:
    from forebay.install.charts.sources import InstallSources

ACTIONS = ("list", "save", "load")


@command("bundle")
@click.argument("action", type=NearChoice(ACTIONS))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--manifests",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Your own copy of manifests/, in place of the one that came with the package.",
)
@click.option("--registry", metavar="HOST/PATH", default="", help="With load: where every container image goes.")
@click.option(
    "--digests", is_flag=True, help="With list: print for each container image the command that prints its digest."
)
@click.option(
    "--weights",
    metavar="NAME",
    multiple=True,
    help="With save: pretrained weights to take along, as for `forebay weights fetch`; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print every command in its order, and change nothing.")
def bundle_command(
    action: str,
    file: Path | None,
    manifests: Path | None,
    registry: str,
    digests: bool,
    weights: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Carry the platform's container images behind an air gap.

    A cluster there reaches no registry but one of yours. `list` names every container image, ours and others'. `save`
    pulls what is missing, and writes one file and beside it a folder of manifests that fetch nothing any more, and with
    --weights a folder of pretrained weights. `load`
    reads the file and pushes every container image to a registry; log in there with `docker login` first.

    \b
    forebay bundle list --digests
    forebay bundle save platform.tar --weights timm/resnet18
    forebay bundle load platform.tar --registry registry.acme.com/team
    forebay up --cluster current --overlay airgap --registry registry.acme.com/team --manifests platform.manifests
    """
    from forebay.install.air_gap import platform_images
    from forebay.install.charts import sources

    found = sources.find_sources(manifests)
    images = platform_images(found)
    if weights and action != "save":
        raise ConfigError(f"`forebay bundle {action}` takes no --weights; `forebay bundle save` does.")
    if action == "list":
        if file is not None or registry:
            raise ConfigError("`forebay bundle list` takes neither a FILE nor --registry. Did you mean save or load?")
        for image in images:
            click.echo(f"{image.name}\t{image.digest_command() if digests else image.owner}")
        return 0
    if file is None:
        raise ConfigError(f"`forebay bundle {action}` needs a FILE, such as `forebay bundle {action} platform.tar`.")
    if action == "save":
        require_writable(file.absolute().parent, "FILE")
        _save_weights(weights, file.absolute().with_suffix(".weights"), dry_run)
    _act(found, action, file.absolute(), registry, dry_run)
    return 0


def _save_weights(names: Sequence[str], folder: Path, dry_run: bool) -> None:
    """Put pretrained weights into a store in a folder, which `forebay weights` reads on the other side."""
    for name in names:
        if dry_run:
            click.echo(shlex.join(["forebay", "weights", "fetch", name, "--to", str(folder)]))
            continue
        from forebay.weights.fetch import fetch_weights

        record = fetch_weights(Home.find().open(writing=True), name, str(folder)).record
        click.echo(f"{record.name} ({record.license or 'no licence stated'}) is in {folder}.")


def _act(sources: "InstallSources", action: str, file: Path, registry: str, dry_run: bool) -> None:
    from forebay.container_images import check_registry
    from forebay.install.air_gap import load_commands, platform_images, save_commands, write_rendered_manifests
    from forebay.install.commands import programs
    from forebay.install.commands.run_commands import run_commands
    from forebay.install.facts.stored_images import engine_images

    images = platform_images(sources)
    programs.require_programs(["docker"])
    present = list(engine_images([image.name for image in images])) if action == "save" else []
    absent = [image.name for image in images if image.ours and image.name not in present]
    if action == "save":
        if absent:
            raise ConfigError(
                f"The engine has no container image {absent[0]}. `make images` in a checkout builds ours; then save."
            )
        commands = list(save_commands(images, present, file))
    else:
        check_registry(registry)
        if not file.is_file():
            raise ConfigError(
                f"{file} is not there. `forebay bundle save {file.name}` writes it where images can be pulled."
            )
        commands = list(load_commands(images, file, registry))
    if dry_run:
        for planned in commands:
            click.echo(planned.shell_line())
        return
    if action == "save":
        click.echo("Renders the manifests; upstream's are fetched, which takes minutes")
        manifests = write_rendered_manifests(sources, file.with_suffix(".manifests"))
        click.echo(f"They are in {manifests}.")
    log = Home.find().open().root / "bundle.log"
    resume_command = f"forebay bundle {action} {file}" + (f" --registry {registry}" if registry else "")
    run_commands(commands, log, click.echo, resume_command)
    if action == "save":
        apply_user_umask(file)
        apply_user_umask(manifests)
    click.echo(f"{len(images)} images are in {file if action == 'save' else registry}.")
