"""`forebay predict`: one image, sent to a served model; or a whole batch without a server, into a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.api.predict import ask_about_file
from forebay.cli.command import command
from forebay.cli.options import json_option, require_writable, set_option
from forebay.errors import ConfigError
from forebay.serving.protocol.names import WARNINGS
from forebay.state import Home
from forebay.text import one_line

if TYPE_CHECKING:
    from forebay.local.batch.request import BatchRequest

_image_type = click.Path(exists=True, dir_okay=False, path_type=Path)


@command("predict")
@click.argument("sources", metavar="IMAGE|SOURCES", nargs=-1, required=True)
@click.option(
    "--name",
    metavar="NAME",
    help="Model to ask; without it, the model of the newest run. With --out also NAME/3, NAME@champion or a bundle.",
)
@click.option("--url", metavar="URL", help="A server elsewhere, such as http://host:8090; then --name is needed.")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="Table to write: FILE.parquet or FILE.csv."
)
@click.option("--top", type=int, metavar="N", help="With --out: how many classes to list, most probable first; 5.")
@click.option("--probabilities", is_flag=True, help="With --out: a column with the probabilities of all classes.")
@set_option("ingest", meaning="With --out: ingest.image_column or ingest.max_file_bytes.")
@json_option
def predict_command(
    sources: tuple[str, ...],
    name: str | None,
    url: str | None,
    out: Path | None,
    top: int | None,
    probabilities: bool,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Send an image to a served model and show its answer.

    The image is a PNG or JPEG of any size. One that is unlike the training images is answered with a warning.

    With --out, everything in some sources is predicted without a server: folders of images, tar and zip archives,
    Parquet, s3://BUCKET/PREFIX. The same command goes on after an interruption.

    \b
    forebay predict image.png
    forebay predict photos/ s3://bucket/more --out predictions.parquet
    """
    if out is not None:
        if url:
            raise ConfigError("--url asks a server, and a batch (--out) loads the model itself. Leave one of them out.")
        _predict_batch(sources, name, out, top, probabilities, assignments, as_json=as_json)
        return
    if len(sources) > 1 or top is not None or probabilities or assignments:
        raise ConfigError(
            "Several images, --top, --probabilities and --set need --out FILE.parquet or FILE.csv, where the answers "
            "go. Without --out one image is sent to a server."
        )
    context = click.get_current_context()
    image = _image_type.convert(sources[0], context.command.params[0], context)
    _predict_image(image, name, url, as_json=as_json)


def _predict_image(image: Path, name: str | None, url: str | None, *, as_json: bool) -> None:
    home = Home.find().open()
    model, prediction = ask_about_file(home, image, name, url)
    if as_json:
        click.echo(json.dumps(prediction))
        return
    probability = max(prediction["probabilities"])
    version = prediction["model_version"]
    for text in prediction.get(WARNINGS, []):
        click.echo(one_line(f"{model}: {text}"), err=True)
    click.echo(one_line(f"{prediction['label_name']}  {probability:.1%}  ({model} version {version})"))


def _predict_batch(
    sources: tuple[str, ...],
    name: str | None,
    out: Path,
    top: int | None,
    probabilities: bool,
    assignments: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    from forebay.cli.batch_result import print_batch
    from forebay.cli.step_calls import call_and_show
    from forebay.local.checks.preflight import check_before_steps
    from forebay.local.checks.s3_access import check_data_source
    from forebay.local.runs.steps import run_batch

    request = _batch_request(sources, name, out, top, probabilities, assignments)
    for source in sources:
        check_data_source(source)
    check_before_steps(out.absolute().parent, spark=True)
    result, summary = call_and_show(lambda: run_batch(request))
    print_batch(request, result, summary["warnings"], as_json=as_json)


def _batch_request(
    sources: tuple[str, ...],
    name: str | None,
    out: Path,
    top: int | None,
    probabilities: bool,
    assignments: tuple[str, ...],
) -> "BatchRequest":
    """What the command line asks for, checked as far as that is quick."""
    from forebay.api.load_model import UNREGISTERED
    from forebay.cli.step_calls import parse_step_settings
    from forebay.contracts.bundles.spec import SPEC
    from forebay.local.batch.request import SETTINGS, BatchRequest, check_sources
    from forebay.local.checks.mlflow_login import check_mlflow_login
    from forebay.local.runs.history import newest_model
    from forebay.local.server.champions import resolve_reference
    from forebay.serving.batch.result_files import ResultFiles
    from forebay.settings import BatchConfig, IngestConfig, step_config

    values = parse_step_settings(assignments, "ingest")
    if others := [key for key in values if key not in SETTINGS]:
        raise ConfigError(
            f"--set {others[0]}: the model decides how images are prepared. A batch takes {' and '.join(SETTINGS)}."
        )
    check_sources(sources)
    home = Home.find().open(writing=True)
    require_writable(out.absolute().parent, "--out")
    ResultFiles(out.absolute()).check(sources)
    reference = name or newest_model(home)
    if not (Path(reference) / SPEC).is_file():
        check_mlflow_login(home)
    known, desired = resolve_reference(home, reference)
    return BatchRequest(
        sources=sources,
        out=out,
        name=known,
        version="" if desired.version == UNREGISTERED else desired.version,
        desired=desired,
        config=step_config(IngestConfig, values),
        top=BatchConfig.top if top is None else top,
        probabilities=probabilities,
    )
