"""`forebay predict`: one image, sent to a served model."""

import json
from pathlib import Path

import click

from forebay.cli.command import command
from forebay.cli.options import json_option
from forebay.errors import ConfigError
from forebay.local.runs.history import default_model
from forebay.local.server import server_status
from forebay.serving.state import ServerInfo
from forebay.state import Home
from forebay.text import one_line


@command("predict")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Model to ask; without it, the model of the newest run.")
@click.option("--url", metavar="URL", help="A server elsewhere, such as http://host:8090; then --name is needed.")
@json_option
def predict_command(image: Path, name: str | None, url: str | None, as_json: bool) -> None:
    """Send an image to a served model and show its answer.

    The image is a PNG or JPEG of any size.
    """
    from forebay.serving.client import predict

    home = Home.find().open()
    name = name or default_model(home)
    prediction = predict(url or _running(home).url, name, image.read_bytes())
    if as_json:
        click.echo(json.dumps(prediction))
        return
    probability = max(prediction["probabilities"])
    version = prediction["model_version"]
    click.echo(one_line(f"{prediction['label_name']}  {probability:.1%}  ({name} version {version})"))


def _running(home: Home) -> ServerInfo:
    server = server_status.running_server(home)
    if server is None:
        raise ConfigError(
            "No server is running. `forebay run` trains and serves one, `forebay serve` brings champions up."
        )
    return server
