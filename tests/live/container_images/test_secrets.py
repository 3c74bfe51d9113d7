"""What the environment of a build holds stays out of the image: an index may carry a password."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from forebay.container_images import PIPELINE
from support.paths import ROOT

if TYPE_CHECKING:
    from docker.client import DockerClient

SECRET = b"planted-5ecret"
CHUNK = 1 << 20


@pytest.fixture(scope="module")
def build(engine: "DockerClient") -> str:
    """What building an image printed, with a secret in variables that reach a build and in some that do not."""
    secret = SECRET.decode()
    planted = {
        "PIP_EXTRA_INDEX_URL": f"http://user:{secret}@127.0.0.1:9/simple",
        "MAVEN_URL": f"http://user:{secret}@127.0.0.1:9/",
        "TORCH_INDEX": f"http://user:{secret}@127.0.0.1:9/torch",
        "AWS_SECRET_ACCESS_KEY": secret,
        "GITHUB_TOKEN": secret,
    }
    wheels = os.environ.get("WHEELS")
    done = subprocess.run(
        [sys.executable, ROOT / "docker" / "build.py", "pipeline", *(("--wheels", wheels) if wheels else ())],
        env={**os.environ, **planted}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def test_it_is_in_no_layer(engine: "DockerClient", build: str, tmp_path: Path) -> None:
    saved = tmp_path / "image.tar"
    with saved.open("wb") as file:
        for chunk in engine.images.get(PIPELINE).save():
            file.write(chunk)
    files = 0
    with tarfile.open(saved) as image:
        for member in image:
            content = image.extractfile(member) if member.isfile() else None
            if content is not None:
                assert not holds_secret(plain(content)), member.name
                files += 1
    assert files > 5  # the layers, and what describes them


def test_it_is_in_no_history_and_no_label(engine: "DockerClient", build: str) -> None:
    image = engine.images.get(PIPELINE)
    assert SECRET.decode() not in json.dumps([image.history(), image.attrs])


def test_it_is_not_printed(build: str) -> None:
    assert SECRET.decode() not in build


def plain(content: IO[bytes]) -> IO[bytes]:
    """A layer as a tar, compressed or not."""
    start = content.read(2)
    content.seek(0)
    return gzip.GzipFile(fileobj=content) if start == b"\x1f\x8b" else content


def holds_secret(content: IO[bytes]) -> bool:
    kept = b""
    while chunk := content.read(CHUNK):
        if SECRET in kept + chunk:
            return True
        kept = chunk[-len(SECRET) :]
    return False


def test_the_search_finds_what_is_there() -> None:
    layer = b"x" * (CHUNK - 3) + SECRET
    assert holds_secret(plain(io.BytesIO(layer)))
    assert holds_secret(plain(io.BytesIO(gzip.compress(layer))))
