"""The notebooks about colour images run from the first cell to the last, and their images are the same every time."""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.notebooks import FOLDER, Pair, complaints, texts
from support.s3_server import S3Store

ROWS = 40
NO_TAR = pytest.mark.skipif("FOREBAY_CIFAR10_TAR" not in os.environ, reason="FOREBAY_CIFAR10_TAR names no tar")


def bucket_names(store: S3Store) -> set[str]:
    """The buckets of a server that other tests of this session use too."""
    return {bucket["Name"] for bucket in store.client.list_buckets()["Buckets"]}


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", ["2_colour_and_over_fitting", "4_pretrained_and_ensembles"])
def test_it_runs(name: str) -> None:
    assert complaints(Pair(name).run()) == []


@pytest.mark.usefixtures("kernels")
def test_ingest_runs_on_a_folder_and_on_s3(s3_server: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in s3_server.environment.items():
        monkeypatch.setenv(variable, value)
    before = bucket_names(s3_server)
    notebook = Pair("5_spark_and_s3").run()
    assert complaints(notebook) == []
    assert "objects in s3://" in "".join(texts(notebook))
    assert bucket_names(s3_server) == before


@pytest.mark.parametrize("tar", [False, pytest.param(True, marks=[pytest.mark.cifar10, NO_TAR])])
def test_sample_images_are_balanced_and_the_same_every_time(
    tar: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not tar:
        monkeypatch.delenv("FOREBAY_CIFAR10_TAR", raising=False)
    colour_images = runpy.run_path(str(FOLDER / "sample_images.py"))["colour_images"]
    data, again = colour_images(ROWS), colour_images(ROWS)
    assert data.images.shape == (ROWS, 32, 32, 3)
    assert (data.source == "CIFAR-10") == tar
    np.testing.assert_array_equal(data.images, again.images)
    assert np.bincount(data.labels).tolist() == [ROWS // 4] * 4
    folder = data.save(tmp_path)
    first = folder / data.classes[data.labels[0]] / "00000.png"
    np.testing.assert_array_equal(np.asarray(Image.open(first)), data.images[0])
