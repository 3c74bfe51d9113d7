"""`forebay compile`: the compiled pipeline as a file."""

from pathlib import Path

import click

from forebay.backend.compiled_file import PIPELINES
from forebay.cli.command import command
from forebay.cli.options import NearChoice, require_writable
from forebay.errors import ConfigError
from forebay.state.file_modes import apply_user_umask
from forebay.text import escape_controls


@command("compile")
@click.option(
    "--out",
    "output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; without it, PIPELINE.yaml in this folder.",
)
@click.option(
    "--pipeline",
    type=NearChoice(PIPELINES),
    default=PIPELINES[0],
    show_default=True,
    help="training is what runs; tuning trains many trials, one pod each, and goes on with the best one; batch "
    "predicts all images of a source.",
)
@click.option("--registry", metavar="HOST/PATH", default="", help="Where the container images were pushed to.")
@click.option(
    "--digest",
    "digests",
    metavar="TARGET=sha256:HEX",
    multiple=True,
    help="Pin the container image of a target; repeatable.",
)
def compile_command(output: Path | None, pipeline: str, registry: str, digests: tuple[str, ...]) -> None:
    """Write the compiled pipeline, ready to upload to Kubeflow.

    The same code gives the same bytes.
    """
    from forebay.container_images import registry_names
    from forebay.local.runs.kfp_local import compile_pipeline

    images = registry_names(registry, digests)
    output = output or Path(f"{pipeline}.yaml")
    if not output.name:
        raise ConfigError("--out: an empty name is no file. Give one such as training.yaml.")
    require_writable(output.absolute().parent, "--out")
    try:
        compile_pipeline(output, images, pipeline)
        apply_user_umask(output)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"--out: {output} cannot be written: {reason}. Give a file in a folder that you can write."
        ) from error
    click.echo(escape_controls(f"Wrote {output}."))
