"""`forebay weights`: pretrained weights, fetched and listed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.cli.command import command
from forebay.cli.options import NearChoice, json_option, require_result_folder
from forebay.errors import ConfigError
from forebay.object_store import is_s3_uri
from forebay.state import Home

if TYPE_CHECKING:
    from forebay.weights.fetch import StoredWeights


@command("weights")
@click.argument("action", type=NearChoice(["fetch", "list"]))
@click.argument("name", required=False)
@click.option(
    "--to",
    metavar="DIR|S3_URI",
    default="",
    help="With fetch: a store to put them into, for machines without a network.",
)
@json_option
def weights_command(action: str, name: str | None, to: str, as_json: bool) -> None:
    """Fetch pretrained weights, and list those that are here.

    `fetch` brings weights that timm publishes, as safetensors, from its hub into the state folder, and with --to into a
    store. NAME is a network, for the weights that timm takes by default, or a network and a tag, such as
    resnet18.a1_in1k. `list` shows the state folder, and the store that FOREBAY_WEIGHTS_STORE names: it is asked before
    the hub.

    \b
    forebay weights fetch timm/resnet18
    forebay weights fetch resnet18.a1_in1k --to s3://models/weights
    forebay weights list
    """
    from forebay.weights.fetch import fetch_weights, list_weights

    if (not name) == (action == "fetch"):
        wrong = "needs a NAME, such as timm/resnet18" if not name else "takes no NAME"
        raise ConfigError(f"`forebay weights {action}` {wrong}.")
    home = Home.find().open(writing=action == "fetch")
    if action == "fetch":
        _check_store(to)
        found = [fetch_weights(home, name or "", to)]
    elif to:
        raise ConfigError("`forebay weights list` takes no --to. FOREBAY_WEIGHTS_STORE names the store that it shows.")
    else:
        found = list_weights(home)
    if as_json:
        click.echo(json.dumps({"weights": [{**asdict(each.record), "where": each.where} for each in found]}))
        return
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("There are none yet. `forebay weights fetch NAME` brings some.")


def _check_store(to: str) -> None:
    """Refuse a store that cannot be filled, before anything is fetched for it."""
    if "://" in to and not is_s3_uri(to):
        raise ConfigError(f"--to: {to} is no store. Give a folder, or s3://BUCKET/PREFIX.")
    if to and not is_s3_uri(to):
        require_result_folder(Path(to).expanduser(), "--to")


def _line(found: "StoredWeights") -> str:
    record = found.record
    licence = record.license or "no licence stated"
    return f"{record.name}  {record.sha256[:12]}  {licence}  {record.source}  in {found.where}"
