"""`forebay.predict`: what a served model says of images."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from forebay.api.prediction import Prediction
from forebay.api.state_folder import PathLike, state_folder
from forebay.errors import ConfigError
from forebay.state import Home

if TYPE_CHECKING:
    from forebay.api.images import ImageInputs

MODEL_PATH = re.compile(r"^(https?://.+?)/v[12]/models/([^/:]+)(?:[:/](?:predict|infer))?/?$")
REQUEST_FILES = 64  # in one request; the server takes more, but answers later then


def predict(
    url_or_name: str, images: "ImageInputs", *, name: str | None = None, home: PathLike | None = None
) -> list[Prediction]:
    """Ask a served model what images show.

    Args:
        url_or_name: the address of a server, such as `http://host:8090` (then with `name`), that of a model, such as
            `RunResult.url`, or the name of a model that the server of this state folder serves.
        images: one or many, as `Model.predict` takes them; the server prepares them.
        name: of the model, where the address names none.
        home: the state folder whose server is asked for a name.

    Raises:
        ConfigError: nothing answers there, the model has no name, or an image cannot be read.
        PredictionFailedError: the server answered with an error, whose message this one repeats.
    """
    from forebay.api.images import read_files
    from forebay.serving.client import class_names

    with state_folder(home) as place:
        url, model = _address(place, url_or_name, name)
        files = list(read_files(images))
        classes = class_names(url, model) if files else []
        answers = ask(url, model, files)
    return [
        Prediction.of(
            classes,
            answer["probabilities"],
            version=str(answer["model_version"]),
            warnings=answer.get("warnings", ()),
        )
        for answer in answers
    ]


def ask(url: str, model: str, files: list[bytes]) -> list[dict[str, Any]]:
    """The V1 predictions of a server for image files; raises as `forebay.serving.client.predict`."""
    from forebay.serving.client import predict_files

    answers: list[dict[str, Any]] = []
    for start in range(0, len(files), REQUEST_FILES):
        answers += predict_files(url, model, files[start : start + REQUEST_FILES])
    return answers


def ask_about_file(home: Home, image: Path, name: str | None, url: str | None) -> tuple[str, dict[str, Any]]:
    """The name of the model, and its V1 prediction for one image file.

    Args:
        home: the state folder, open; its server is asked where no URL is given.
        image: the file.
        name: of the model; None for the model of the newest run.
        url: a server elsewhere.
    """
    from forebay.local.runs.history import default_model

    model = name or default_model(home)
    return model, ask(url or running_url(home), model, [image.read_bytes()])[0]


def running_url(home: Home) -> str:
    """The address of the server of this state folder.

    Raises:
        ConfigError: none runs.
    """
    from forebay.local.server import server_status

    server = server_status.running_server(home)
    if server is None:
        raise ConfigError(
            "No server is running. `forebay run` trains and serves one, `forebay serve` brings champions up."
        )
    return server.url


def _address(home: Home, url_or_name: str, name: str | None) -> tuple[str, str]:
    """The address of a server, and the name of the model."""
    if "://" not in url_or_name:
        return running_url(home), url_or_name
    found = MODEL_PATH.match(url_or_name)
    url, named = (found[1], unquote(found[2])) if found else (url_or_name, "")
    if not (name or named):
        raise ConfigError(f"{url_or_name} is the address of a server. Name one of its models: name='digits'.")
    return url, name or named
