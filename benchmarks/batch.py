"""`forebay predict --out` on a folder of small images, against the same images sent to the server one by one."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.case import Case, rate
from benchmarks.serving import wait_until_ready
from forebay.serving.ports import bind

IMAGES, SIDE, CLASSES = 4000, 28, 10
NAME = "bench"
MODELS = ("lenet5", "resnet9")


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Start one server per model, which runs while the cases are measured."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-bench-")))
        photos = root / "photos"
        photos.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE), dtype=np.uint8)
        for number, image in enumerate(pixels):
            Image.fromarray(image).save(photos / f"{number:05d}.png")
        found = []
        for architecture in MODELS:
            folder = root / architecture
            write_model(folder / NAME, architecture)
            port = stack.enter_context(_server(folder))
            found += _cases(architecture, folder / NAME, photos, port, root)
        yield found


def write_model(folder: Path, architecture: str) -> None:
    """A bundle of an untrained network for grey images."""
    import torch

    from forebay.contracts.bundles.spec import ModelSpec
    from forebay.models import build, save_bundle

    torch.manual_seed(0)
    options: dict[str, Any] = {"dropout": 0.0} | ({"width": 32} if architecture == "resnet9" else {})
    network = build(architecture, options, 1, SIDE, SIDE, CLASSES)
    spec = ModelSpec(
        architecture=architecture, options=options, classes=[f"class-{index}" for index in range(CLASSES)],
        height=SIDE, width=SIDE, channels=1, mean=[0.5], std=[0.25], weights_sha256="",
        data={"name": NAME, "digest": "d" * 64}, lineage={"code_version": "benchmark"},
    )  # fmt: skip
    save_bundle(folder, spec, network.state_dict())


def _cases(architecture: str, bundle: Path, photos: Path, port: int, root: Path) -> list[Case]:
    batch = _Batch(bundle, photos, root / f"{architecture}.parquet", root)
    files = sorted(photos.iterdir())

    def check() -> None:
        batch.figure("images_per_s")
        predicted = pq.read_table(batch.out).select(["source", "label"]).to_pylist()
        labels = {Path(row["source"]).name: row["label"] for row in predicted}
        assert labels == dict(zip((file.name for file in files), _one_by_one(port, files), strict=True))

    group = f"predictions of {IMAGES:,} PNGs {SIDE}x{SIDE}, {architecture}"
    make = [
        ("one by one over REST", lambda: None, rate(IMAGES, lambda: _one_by_one(port, files))),
        ("forebay predict --out", check, lambda: batch.figure("images_per_s")),
        ("forebay predict --out, start included", lambda: None, lambda: batch.figure("with_start")),
    ]
    return [
        Case(group=group, name=name, unit="images/s", better="higher", check=checked, measure=measure)
        for name, checked, measure in make
    ]


@dataclass
class _Batch:
    """The command, run once for each round; both cases read the same run."""

    bundle: Path
    photos: Path
    out: Path
    root: Path
    _left: dict[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        if name not in self._left:
            self._left = self._run()
        return self._left.pop(name)

    def _run(self) -> dict[str, float]:
        words = ["predict", self.photos, "--name", self.bundle, "--out", self.out, "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "forebay", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=True, env={**os.environ, "FOREBAY_HOME": str(self.root / "home")},
        )  # fmt: skip
        facts = json.loads(done.stdout)
        whole = facts["start_seconds"] + facts["seconds"]
        return {"images_per_s": facts["images_per_s"], "with_start": facts["images"] / whole}


def _one_by_one(port: int, files: list[Path]) -> list[str]:
    """The labels, by one request after the other on one connection; files go as they are."""
    labels = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        for file in files:
            headers = {"Content-Type": "image/png"}
            connection.request("POST", f"/v1/models/{NAME}:predict", file.read_bytes(), headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body[:500]
            labels.append(json.loads(body)["predictions"][0]["label_name"])
    return labels


@contextlib.contextmanager
def _server(models: Path) -> Iterator[int]:
    with bind("127.0.0.1", 0) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "forebay.serving", "--models", str(models), "--listen-fd", str(descriptor)],
            pass_fds=[descriptor], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_until_ready(process, port)
        yield port
    finally:
        process.kill()
        process.wait()
