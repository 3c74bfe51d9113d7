"""The curl command that is printed at the end of a run and works as pasted."""

import json
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from forebay.serving.example import request_path
from forebay.state import Home

INLINE_CHARACTERS = 1000


def curl_command(home: Home, url: str) -> str:
    """A command that sends the model's example image.

    Args:
        home: the state folder, where deploy left the example.
        url: of a model's predict path, as `run` prints it.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2].removesuffix(":predict"))
    file = request_path(home, name)
    return curl_line(url, file, _request(file))


def _request(file: Path) -> str | None:
    """The request in a file; None where there is none, or a damaged one."""
    try:
        text = file.read_text()
        json.loads(text)
    except (FileNotFoundError, ValueError):
        return None
    return text


def curl_line(url: str, file: Path, request: str | None) -> str:
    """The command line: a short request inside it, a long one from its file, none where there is no example."""
    if request is None:
        return f"curl {shlex.quote(url.removesuffix(':predict'))}"  # asks whether the model is ready
    data = request if len(request) <= INLINE_CHARACTERS else f"@{file}"
    return f"curl {shlex.quote(url)} -H 'Content-Type: application/json' --data {shlex.quote(data)}"
