"""Images of every form, one model, and a real server of it to compare with."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from support.batch_runs import run_batch
from support.ingest_runs import s3, spark
from support.small_images import draw
from support.tiny_inference_server import RunningServer, server_process, write_bundle

__all__ = ["run_batch", "s3", "spark"]  # fixtures

# Of training images that are dim and of their own size: some of ours are unlike them.
DIM = {
    "rows": 100,
    "low": [0.0, 0.0, -0.2],
    "high": [0.3, 0.3, 1.0],
    "shrink": 1.0,
    "aspects": [1.0, 1.0],
    "grey": True,
}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: `grey` takes 8x8x1 and warns, `colour` 6x10x3, letterboxed and of 12 bits."""
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder / "grey", seed=1, training_images=DIM)
    write_bundle(folder / "colour", seed=2, shape=(6, 10, 3), classes=4, fit="letterbox", bits=12)
    return folder


@pytest.fixture(scope="session")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with server_process(bundles, tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images at its top and below, of all that decoding tells apart, and files that are no images."""
    root = tmp_path_factory.mktemp("sources") / "photos"
    (root / "a" / "train").mkdir(parents=True)  # what would be a split, and a class, to ingest
    (root / "b").mkdir()
    for number in range(24):
        side = 12 if number % 5 else 20
        place = (root, root / "a" / "train", root / "b")[number % 3]
        Image.fromarray(draw("ring", number, side, side + 4 * (number % 2))).save(place / f"{number:03d}.png")
    colour = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(colour).save(root / "colour.jpg")
    Image.fromarray(np.dstack([colour, colour[:, :, 0]])).save(root / "alpha.png")
    deep = np.random.default_rng(1).integers(0, 4096, (16, 16), dtype=np.uint16)
    Image.fromarray(deep).save(root / "deep.png")
    Image.fromarray(np.full((300, 8), 255, np.uint8)).save(root / "narrow.gif")
    whole = (root / "000.png").read_bytes()
    (root / "b" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "b" / "empty.jpg").write_bytes(b"")
    (root / "a" / "train" / "text.png").write_text("not an image")
    (root / "notes.txt").write_text("passed over")
    return root


@pytest.fixture(scope="session")
def tar(photos: Path) -> Path:
    """The same as a tar."""
    path = photos.with_name("photos.tar")
    with tarfile.open(path, "w") as file:
        file.add(photos, ".")
    return path


@pytest.fixture(scope="session")
def table(photos: Path) -> Path:
    """The same as Parquet with a column of images, one of paths and none of labels."""
    files = sorted(path for path in photos.rglob("*") if path.is_file() and path.suffix != ".txt")
    path = photos.with_name("photos.parquet")
    columns = {
        "image": [file.read_bytes() for file in files],
        "path": [file.relative_to(photos).as_posix() for file in files],
    }
    pq.write_table(pa.table(columns), path, row_group_size=9)
    return path


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many small images that they make several parts."""
    root = tmp_path_factory.mktemp("many")
    for number in range(700):
        file = io.BytesIO()
        Image.fromarray(draw("cross", number, 8, 8)).save(file, "PNG")
        (root / f"{number:04d}.png").write_bytes(file.getvalue() if number % 100 else b"broken")
    return root
