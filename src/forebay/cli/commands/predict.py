"""`forebay predict`: one image, sent to a served model."""

import json
from pathlib import Path

import click

from forebay.api.predict import ask_about_file
from forebay.cli.command import command
from forebay.cli.options import json_option
from forebay.serving.protocol.names import WARNINGS
from forebay.state import Home
from forebay.text import one_line


@command("predict")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Model to ask; without it, the model of the newest run.")
@click.option("--url", metavar="URL", help="A server elsewhere, such as http://host:8090; then --name is needed.")
@json_option
def predict_command(image: Path, name: str | None, url: str | None, as_json: bool) -> None:
    """Send an image to a served model and show its answer.

    The image is a PNG or JPEG of any size. One that is unlike the training images is answered with a warning.
    """
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
