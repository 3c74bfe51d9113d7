"""The curl command that a run prints at its end; it works as pasted."""

import json
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from forebay.serving.example import example_request_path
from forebay.state import Home

MAX_INLINE_CHARACTERS = 1000


def curl_command(home: Home, url: str) -> str:
    """A command that sends the model's example image.

    Args:
        home: the state folder, where deploy left the example.
        url: where a model predicts, as `run` prints it.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2].removesuffix(":predict"))
    file = example_request_path(home, name)
    return curl_line(url, file, _read_request(file))


def _read_request(file: Path) -> str | None:
    """The request in a file; None where the file is missing or damaged."""
    try:
        text = file.read_text()
        json.loads(text)
    except (FileNotFoundError, ValueError):
        return None
    return text


def curl_line(url: str, file: Path, request: str | None) -> str:
    """The command line; it holds a short request, and names the file of a long one.

    Without a request it asks whether the model is ready.
    """
    if request is None:
        return f"curl {shlex.quote(url.removesuffix(':predict'))}"
    data = request if len(request) <= MAX_INLINE_CHARACTERS else f"@{file}"
    return f"curl {shlex.quote(url)} -H 'Content-Type: application/json' --data {shlex.quote(data)}"
