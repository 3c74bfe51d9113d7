"""Weights in a file that somebody names."""

import json
from pathlib import Path
from typing import Any

from forebay.state.file_digest import file_sha256
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import PretrainedWeights

SAFETENSORS = ".safetensors"


def is_file_name(weights: str) -> bool:
    """Tell the name of a file from other kinds of weights."""
    return weights.endswith(SAFETENSORS)


def weights_file(path: str, sha256: str = "") -> PretrainedWeights:
    """The weights in a safetensors file of this machine.

    Args:
        path: of the file.
        sha256: digest that it must have; empty where any will do.

    Raises:
        WeightsError: there is no such file, it has another digest, or it is no safetensors file.
    """
    file = Path(path).expanduser().absolute()
    try:
        found = file_sha256(file)
    except OSError as error:
        raise WeightsError(f"train.weights={path}: {file} cannot be read: {error.strerror}.") from error
    check_digest(str(file), found, sha256)
    check_safetensors(file)
    return PretrainedWeights(path=file, sha256=found, source=str(file), library="", architecture="")


def check_digest(source: str, found: str, wanted: str) -> None:
    """Compare a digest with the one that is wanted, where one is.

    Raises:
        WeightsError: they differ.
    """
    if wanted and found != wanted:
        raise WeightsError(
            f"{source}: sha256 {found} is not train.weights_sha256={wanted}. The file was changed, or the digest is "
            "another one's; set the right one, or take the file again."
        )


def check_safetensors(file: Path) -> dict[str, Any]:
    """Look at the header of a file, and return what it says about the file itself.

    Raises:
        WeightsError: it is no safetensors file, or it is cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return json.loads(json.dumps(opened.metadata() or {}))  # type: ignore[no-any-return]
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is no safetensors file, or it was cut short: {error}.") from error
