"""A hundred malicious bundles: each is a good one with a small change."""

import json
import os
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

from forebay.contracts.bundles.digest import MAX_FILE_BYTES
from forebay.contracts.bundles.examples import EXAMPLES, IMAGES
from forebay.contracts.bundles.spec import SPEC, WEIGHTS, regular_file_sha256
from support.tiny_inference_server import write_bundle

Harm = Callable[[Path], None]  # changes a good bundle in a folder

BIG = 10**400
LIMITS = {"rows": 100, "low": [0, 0, 0], "high": [1, 1, 1]}  # of training images, as a good bundle has them
FIELDS: dict[str, list[Any]] = {  # fields of model.json, with values that must be refused
    "architecture": [5, None, [], "", "../mlp", "mlp\n", "m" * 10_000],
    "options": [
        None, [], "width", {}, {"width": "16"}, {"width": 0}, {"width": -1}, {"width": 16.5}, {"width": True},
        {"width": 1 << 14}, {"width": 10**9}, {"width": BIG}, {"width": [16]}, {"width": 15},
        {"width": 16, "dropout": 2}, {"width": 16, "dropout": "0"}, {"width": 16, "dropout": None},
        {"width": 16, "hidden": 16},
    ],
    "classes": [
        None, "abcdefghij", [], {}, list(range(10)), ["a"] * 10, [*"abcdefghi", None], [*"abcdefghi", ""],
        [*"abcdefghi", "j\r\nk"], [*"abcdefghi", "\x1b[2J"], [*"abcdefghi", "\u202ej"], [*"abcdefghi", "j" * 2000],
        [*"abcdefghi", ["j"]], list("abcdefghi"), list("abcdefghijk"),
    ],
    "height": [0, -8, 8.0, "8", True, None, 9, 10**6, BIG],
    "width": [0, -8, "8", 9, 9999],
    "channels": [0, 2, 3, "1", 1.0],
    "mean": [None, 0.5, [], [0.5, 0.5], ["0.5"], [None], [BIG]],
    "std": [None, [0.0], [-1.0], [0.1, 0.1], [True]],
    "weights_sha256": ["", "0" * 64, "G" * 64, 5],
    "training": [[]],
    "data": [[], {"name": "../../etc"}, {"name": 5}, {"holdout": "x"}, {"exceptions": {"trained": [5]}}],
    "lineage": ["x", {"code_version": ["x"]}],
    "fit": ["zoom", None],
    "bits": ["16", 9],
    "temperature": [0, -1, 1e-9, 1e9, BIG, "1", True, None, [1]],
    "training_images": [
        [], {"rows": 100}, {"low": [0, 0, 0], "high": [1, 1, 1]}, {**LIMITS, "more": 1}, {**LIMITS, "low": [0, 0]},
        {**LIMITS, "low": [0, 0, BIG]}, {**LIMITS, "low": 5}, {**LIMITS, "high": [0, 0, 9]}, {**LIMITS, "shrink": 0},
        {**LIMITS, "aspects": [1]}, {**LIMITS, "grey": 1},
    ],
    "task": ["text-generation"],
    "format": [2, "1", True],
    "__class__": ["forebay.errors.ModelError"],
}  # fmt: skip


NETWORKS = (  # architectures that do not fit the weights, or do not exist
    "lenet5", "resnet9", "resnet18", "regnet_y_128gf", "os.system", "torchvision.models.resnet18",
    "fasterrcnn_resnet50_fpn", "__import__('os').system('touch executed')",
)  # fmt: skip


def malicious_bundles(folder: Path, executed: Path) -> list[Path]:
    """Write each of them into a sub-folder of its own, beside a good one in `good`.

    Args:
        folder: gets the sub-folders.
        executed: a file that exists as soon as code of one of them was executed.
    """
    made = []
    write_bundle(folder / "good")
    for name, harm in _harms(executed):
        bundle = folder / name
        shutil.copytree(folder / "good", bundle)
        harm(bundle)
        made.append(bundle)
    return made


def _harms(executed: Path) -> Iterator[tuple[str, Harm]]:
    yield from _fields()
    for number, name in enumerate(NETWORKS):
        yield f"network-{number}", _network(name)
    for name, text in _texts():
        yield f"text-{name}", lambda bundle, text=text: _replace(bundle / SPEC, text)  # type: ignore[misc]
    for file in (SPEC, WEIGHTS, EXAMPLES):
        for name, put in _puts():
            yield f"{file.partition('.')[0]}-{name}", lambda bundle, file=file, put=put: put(bundle / file)  # type: ignore[misc]
    for name, data in _weights(executed):
        yield f"tensors-{name}", lambda bundle, data=data: _with_weights(bundle, data)  # type: ignore[misc]
    yield "weights-missing", lambda bundle: (bundle / WEIGHTS).unlink()
    yield "weights-endless", lambda bundle: os.truncate(bundle / WEIGHTS, MAX_FILE_BYTES + 1)
    yield "numbers-that-overflow", _overflowing
    for name, images in _examples():
        yield f"examples-{name}", lambda bundle, images=images: _replace(bundle / EXAMPLES, images)  # type: ignore[misc]


def _fields() -> Iterator[tuple[str, Harm]]:
    for field, values in FIELDS.items():
        for number, value in enumerate(values):
            yield f"{field.strip('_')}-{number}", _field(field, value)
        if field in ("architecture", "classes", "mean", "weights_sha256"):
            yield f"{field}-missing", _without(field)


def _field(name: str, value: Any) -> Harm:
    def harm(bundle: Path) -> None:
        spec = json.loads((bundle / SPEC).read_text())
        _replace(bundle / SPEC, json.dumps({**spec, name: value}).encode())

    return harm


def _network(name: str) -> Harm:
    def harm(bundle: Path) -> None:
        _field("options", {"width": 4} if name == "resnet9" else {})(bundle)
        _field("architecture", name)(bundle)

    return harm


def _without(name: str) -> Harm:
    def harm(bundle: Path) -> None:
        spec = json.loads((bundle / SPEC).read_text())
        del spec[name]
        _replace(bundle / SPEC, json.dumps(spec).encode())

    return harm


def _texts() -> Iterator[tuple[str, bytes]]:
    yield from (("empty", b""), ("null", b"null"), ("list", b"[]"), ("cut", b'{"architecture": "mlp"'))
    yield from (("deep-list", b"[" * 100_000), ("deep-object", b'{"a":' * 100_000), ("long", b" " * (17 << 20)))
    yield from (
        ("no-text", b"\xff\xfe{}"),
        ("other-text", "{}".encode("utf-16")),
        ("yaml", b"!!python/object:os.system"),
    )
    yield "twice", b'{"architecture": "mlp", "architecture": "lenet5"}'
    yield "nan", b'{"std": [NaN]}'
    yield "infinite", b'{"std": [1e999]}'
    yield "half-a-character", rb'{"architecture": "\ud800"}'


def _puts() -> Iterator[tuple[str, Harm]]:
    """What may lie where a file should be."""
    yield "pipe", lambda path: (path.unlink(missing_ok=True), os.mkfifo(path))[1]
    yield "device", lambda path: (path.unlink(missing_ok=True), path.symlink_to("/dev/zero"))[1]
    yield "link-out", lambda path: (path.unlink(missing_ok=True), path.symlink_to("/etc/passwd"))[1]
    yield "link-to-a-good-one", lambda path: (
        path.unlink(missing_ok=True), path.symlink_to(path.parent.parent / "good" / path.name),
    )[1]  # fmt: skip
    yield "folder", lambda path: (path.unlink(missing_ok=True), path.mkdir())[1]
    yield "socket", _socket


def _socket(path: Path) -> None:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path has 100 bytes at most
        listening.bind(path.name)
        os.chdir(here)


class _Executes:
    """An object that runs a command when its pickle is loaded."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self._file}'",)


def _weights(executed: Path) -> Iterator[tuple[str, bytes]]:
    """Weights files, with the digest that the spec names; pickles are written here and never loaded."""
    from io import BytesIO

    pickled = BytesIO()
    torch.save({"0.weight": _Executes(executed)}, pickled)
    yield "pickle", pickled.getvalue()
    pickled = BytesIO()
    torch.save({"0.weight": _Executes(executed)}, pickled, _use_new_zipfile_serialization=False)
    yield "old-pickle", pickled.getvalue()
    yield "nothing", b""
    yield "zeros", bytes(64)
    yield "huge-header", struct.pack("<Q", 1 << 60) + b"{}"
    yield "header-past-the-end", struct.pack("<Q", 1 << 20) + b"{}"
    yield "header-no-json", _safetensors(b"{" * 100)
    yield "header-deep", _safetensors(b"[" * 100_000)
    far = {"1.weight": {"dtype": "F32", "shape": [16, 64], "data_offsets": [0, 1 << 40]}}
    yield "offsets-past-the-end", _safetensors(json.dumps(far).encode())
    vast = {"1.weight": {"dtype": "F32", "shape": [1 << 31, 1 << 31], "data_offsets": [0, 4]}}
    yield "vast-shape", _safetensors(json.dumps(vast).encode(), b"abcd")
    yield "no-tensors", safetensors.torch.save({})
    yield "one-tensor", safetensors.torch.save({"x": torch.ones(3)})


def _safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _with_weights(bundle: Path, data: bytes) -> None:
    (bundle / WEIGHTS).write_bytes(data)
    _field("weights_sha256", regular_file_sha256(bundle / WEIGHTS))(bundle)


def _overflowing(bundle: Path) -> None:
    """Finite weights that give a number for a black image, and none for others."""
    tensors = safetensors.torch.load_file(bundle / WEIGHTS)
    first = next(name for name, tensor in tensors.items() if tensor.ndim == 2)
    tensors[first] = torch.full_like(tensors[first], 3e38)
    _with_weights(bundle, safetensors.torch.save(tensors))
    _field("mean", [0.0])(bundle)


def _examples() -> Iterator[tuple[str, bytes]]:
    yield "garbage", b"abc"
    yield "other-size", safetensors.numpy.save({IMAGES: np.zeros((1, 9, 9, 1), np.uint8)})
    yield "other-type", safetensors.numpy.save({IMAGES: np.zeros((1, 8, 8, 1), np.float32)})
    yield "others-beside", safetensors.numpy.save({IMAGES: np.zeros((1, 8, 8, 1), np.uint8), "x": np.zeros(1)})


def _replace(path: Path, data: bytes) -> None:
    path.write_bytes(data)
