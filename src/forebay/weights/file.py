"""Weights in a file of this machine or in S3 that somebody names."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.object_store import ObjectFolder, is_s3_uri
from forebay.state import Home
from forebay.state.file_digest import file_sha256
from forebay.state.mask import without_passwords
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import PretrainedWeights
from forebay.weights.state_folder import SUFFIX, WeightsRecord, find_kept, keep, keep_new
from forebay.weights.whole_file import link_or_copy

if TYPE_CHECKING:
    from torch import Tensor

PICKLE_SUFFIXES = (".pth", ".pt")
_NESTED = ("state_dict", "model_state_dict", "model")  # under which a training script writes the weights
_PARALLEL = "module."  # before each name in what DataParallel saves


def is_file_name(weights: str) -> bool:
    """Tell the name of a file, or its S3 URI, from other kinds of weights."""
    return is_s3_uri(weights) or weights.endswith((SUFFIX, *PICKLE_SUFFIXES))


def weights_file(home: Home, name: str, sha256: str = "") -> PretrainedWeights:
    """The weights in a file.

    A safetensors file of this machine is used where it lies. One in S3 is copied into the state folder. A .pth or .pt
    file is read without unpickling objects, and only with its digest; what it holds is kept as safetensors.

    Args:
        home: the state folder.
        name: a path, or `s3://BUCKET/KEY`.
        sha256: digest that the file must have; empty where any will do.

    Raises:
        WeightsError: there is no such file, it has another digest, or it is no file of weights.
    """
    if not name.endswith((SUFFIX, *PICKLE_SUFFIXES)):
        raise WeightsError(f"train.weights={name} must end with {SUFFIX}, {' or '.join(PICKLE_SUFFIXES)}.")
    if name.endswith(PICKLE_SUFFIXES) and not sha256:
        raise WeightsError(
            f"train.weights={name} is a pickle: set train.weights_sha256 to the digest that its publisher states "
            "(`sha256sum FILE`), or give a safetensors file."
        )
    if sha256 and (kept := find_kept(home, _kept_name(name, sha256))):
        return kept
    if not is_s3_uri(name) and "://" in name:
        raise WeightsError(
            f"train.weights={without_passwords(name)} is an address. Download the file and give its path, or put it "
            "into S3."
        )
    if not is_s3_uri(name):
        return _local(home, Path(name).expanduser().absolute(), name, sha256)
    home.weights.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".s3-", dir=home.weights) as folder:
        path = Path(folder) / name.rpartition("/")[2]
        _download(name, path)
        return _local(home, path, name, sha256)


def _local(home: Home, path: Path, name: str, sha256: str) -> PretrainedWeights:
    try:
        found = file_sha256(path)
    except OSError as error:
        raise WeightsError(f"train.weights={name}: {path} cannot be read: {error.strerror}.") from error
    check_digest(name, found, sha256)
    if name.endswith(PICKLE_SUFFIXES):
        tensors = _read_pickle(path, name, found)
        return keep_new(home, _kept_name(name, found), f"{name} (sha256 {found[:12]}…)", lambda to: _save(tensors, to))
    check_safetensors(path)
    if not is_s3_uri(name):
        return PretrainedWeights(path=path, sha256=found, source=name, library="", architecture="")
    record = WeightsRecord(name=_kept_name(name, found), sha256=found, source=name, library="", architecture="")
    return keep(home, record, lambda to: link_or_copy(path, to))


def _kept_name(name: str, sha256: str) -> str:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return f"files/{stem}-{sha256[:16]}"


def _download(uri: str, path: Path) -> None:
    folder, _, key = uri.rpartition("/")
    try:
        ObjectFolder.parse(folder, "train.weights").download(key, path)
    except FileNotFoundError as error:
        raise WeightsError(f"train.weights={uri}: there is no such object.") from error
    except OSError as error:
        if error.errno is not None:
            raise  # this machine's: the disk is full
        raise WeightsError(
            f"train.weights: {error}. Check the URI, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error


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


def check_safetensors(file: Path) -> None:
    """Look at the header of a file.

    Raises:
        WeightsError: it is no safetensors file, or it is cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is no safetensors file, or it was cut short: {error}.") from error


def _read_pickle(path: Path, name: str, sha256: str) -> "dict[str, Tensor]":
    """The tensors of a .pth file. It is safe: weights_only makes torch refuse all but tensors and plain values."""
    import hashlib
    from io import BytesIO

    import torch

    data = path.read_bytes()
    check_digest(name, hashlib.sha256(data).hexdigest(), sha256)  # what is read is what was checked
    try:
        found = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # broken files raise anything; torch's own text advises to switch its protection off
        raise WeightsError(
            f"{name} holds more than tensors and plain values, or is no file of torch's. Save its state dict alone, as "
            "safetensors."
        ) from error
    tensors = _state_dict(found)
    if not tensors:
        raise WeightsError(f"{name} holds no state dict: a mapping of names to tensors. Save one, as safetensors.")
    return tensors


def _state_dict(found: Any) -> "dict[str, Tensor]":
    import torch

    if not isinstance(found, Mapping):
        return {}
    for key in _NESTED:
        if isinstance(found.get(key), Mapping):
            return _state_dict(found[key])
    tensors = {str(name): each for name, each in found.items() if isinstance(each, torch.Tensor)}
    if tensors and all(name.startswith(_PARALLEL) for name in tensors):
        return {name.removeprefix(_PARALLEL): each for name, each in tensors.items()}
    return tensors


def _save(tensors: "Mapping[str, Tensor]", path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: each.contiguous().clone() for name, each in tensors.items()}, path)
