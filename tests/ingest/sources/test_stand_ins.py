"""Data files that are a Git LFS pointer or a web page: said in every source, before anything is read as data."""

from pathlib import Path

import pytest

from forebay.errors import DataError
from forebay.ingest.detect import detect_source
from forebay.settings import IngestConfig

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    "names",
    [
        ["data/train-00000-of-00001.parquet"],
        ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
        ["data_batch_1.bin"],
        ["set.zip"],
        ["set.tar.gz"],
    ],
)
@pytest.mark.parametrize(
    ("content", "words"),
    [(POINTER, r"a Git LFS pointer, .*Run `git lfs pull` in its folder"), (PAGE, r"a web page, .*Get the file again")],
)
def test_a_stand_in_is_named_in_every_source(tmp_path: Path, names: list[str], content: bytes, words: str) -> None:
    for name in names:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        detect_source(IngestConfig(data=str(tmp_path / "set")), tmp_path).index()


def test_a_pointer_gives_no_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data_batch_1.bin").write_bytes(bytes(3073))
    (tmp_path / "set" / "batches.meta.txt").write_bytes(POINTER)
    with pytest.raises(DataError, match=r"batches\.meta\.txt: it is a Git LFS pointer"):
        detect_source(IngestConfig(data=str(tmp_path / "set")), tmp_path).index()
