"""Each kind of source, up to its index: what an image is called, labelled, and where its bytes lie."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from forebay.errors import DataError
from forebay.images import UnusableImageError
from forebay.ingest.detect import DetectedSource, detect_source
from forebay.ingest.summary.dataset_name import dataset_name
from forebay.settings import IngestConfig

LIMIT = 1 << 20


def find(data: str, work: Path) -> DetectedSource:
    return detect_source(IngestConfig(data=data), work)


def index_of(data: Path | str, work: Path) -> list[dict[str, Any]]:
    table = find(str(data), work).index()
    return table.sort_by("position").to_pylist()  # type: ignore[no-any-return]


def labels(records: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(record["source"], record["label_name"], record["split"]) for record in records]


def images_of(data: Path | str, work: Path) -> list[Any]:
    found = find(str(data), work)
    return list(found.source_kind.read(found.index(), LIMIT))


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


# --- folders


def test_the_class_is_the_first_folder_and_deeper_ones_belong_to_it(tmp_path: Path) -> None:
    touch(tmp_path / "d", "cat/1.png", "cat/young/2.png", "dog/3.png")
    assert labels(index_of(tmp_path / "d", tmp_path)) == [
        ("cat/1.png", "cat", None),
        ("cat/young/2.png", "cat", None),
        ("dog/3.png", "dog", None),
    ]


@pytest.mark.parametrize("root", ["", "train/", "a/b/", "images/", "photos/data/"])
def test_a_single_common_root_is_left_out(tmp_path: Path, root: str) -> None:
    touch(tmp_path / "d", f"{root}cat/1.png", f"{root}dog/2.png", "README")
    assert [record["label_name"] for record in index_of(tmp_path / "d", tmp_path)] == ["cat", "dog"]


def test_the_own_split_stands_above_the_classes(tmp_path: Path) -> None:
    touch(tmp_path / "d", "x/train/cat/1.png", "x/test/cat/2.png", "x/train/dog/3.png")
    assert labels(index_of(tmp_path / "d", tmp_path)) == [
        ("x/test/cat/2.png", "cat", "test"),
        ("x/train/cat/1.png", "cat", "train"),
        ("x/train/dog/3.png", "dog", "train"),
    ]


def test_an_image_outside_every_class_is_unlabelled_and_other_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "d", "cat/1.png", "dog/2.png", "stray.JPG", "README.md", "classes.txt", "cat/notes.txt", "cat/IMG")
    records = index_of(tmp_path / "d", tmp_path)
    assert [(record["source"], record["reason"]) for record in records] == [
        ("cat/1.png", None),
        ("cat/IMG", None),  # taken for an image; decoding will say what it is
        ("dog/2.png", None),
        ("stray.JPG", "unlabelled"),
    ]


def test_hidden_files_dangling_links_pipes_and_loops_do_no_harm(tmp_path: Path) -> None:
    root = touch(tmp_path / "d", "cat/1.png", ".git/x.png", "__MACOSX/cat/1.png", "cat/.DS_Store")
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "cat" / "loop").symlink_to(root)
    os.mkfifo(root / "cat" / "pipe.png")
    (root / "dog").symlink_to(touch(tmp_path / "elsewhere", "2.png"))
    records = index_of(root, tmp_path)
    assert [(record["source"], record["reason"], record["detail"]) for record in records] == [
        ("cat/1.png", None, None),
        ("cat/gone.png", "unreadable", "No such file or directory"),
        ("cat/pipe.png", "unreadable", "not a regular file"),
        ("dog/2.png", None, None),
    ]


def test_a_name_that_is_not_utf8_is_shown_escaped_and_still_read(tmp_path: Path) -> None:
    folder = touch(tmp_path / "d", "cat/1.png") / "cat"
    (Path(os.fsdecode(bytes(folder) + b"/\xff.png"))).write_bytes(b"odd")
    touch(tmp_path / "d", "dog/1.png")
    assert labels(index_of(tmp_path / "d", tmp_path))[1][0] == "cat/\\xff.png"
    assert b"odd" in images_of(tmp_path / "d", tmp_path)


def test_a_tar_of_a_folder_gives_the_same_images_and_a_too_large_file_is_not_read(tmp_path: Path) -> None:
    root = touch(tmp_path / "d", "train/cat/1.png", "train/dog/2.png")
    (root / "train" / "dog" / "3.png").write_bytes(bytes(LIMIT + 1))
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        tar.add(root / "train", "train")
    assert labels(index_of(tmp_path / "d.tar", tmp_path)) == labels(index_of(root, tmp_path))
    assert find(str(tmp_path / "d.tar"), tmp_path).kind == "tar"
    images = images_of(tmp_path / "d.tar", tmp_path)
    assert images[:2] == [b"train/cat/1.png", b"train/dog/2.png"]
    assert isinstance(images[2], UnusableImageError)
    assert images[2].reason == "too_large"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), r"it holds no files"),
        (("README.md",), r"no image among its files \(README\.md\)"),
        (("a.zip",), r"a\.zip: it is called \.zip and is something else"),
    ],
)
def test_a_source_without_images_says_what_was_found_and_what_is_read(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match=words):
        index_of(touch(tmp_path / "d", *names), tmp_path)


# --- IDX


def write_idx(
    root: Path, part: str, images_NHW: np.ndarray[Any, Any], labels_N: list[int], *, suffix: str = ""
) -> None:
    pack = gzip.compress if suffix else bytes
    root.mkdir(exist_ok=True)
    count, height, width = images_NHW.shape
    images = struct.pack(">IIII", 0x803, count, height, width) + images_NHW.tobytes()
    (root / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(images))
    (root / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(struct.pack(">II", 0x801, count) + bytes(labels_N)))


IMAGES = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_give_their_pixels_labels_and_split(tmp_path: Path, suffix: str) -> None:
    write_idx(tmp_path / "m", "train", IMAGES, [7, 0, 1], suffix=suffix)
    write_idx(tmp_path / "m", "t10k", IMAGES[:1] + 100, [3], suffix=suffix)
    records = index_of(tmp_path / "m", tmp_path)
    assert labels(records) == [
        (f"t10k-images-idx3-ubyte{suffix}#00000000", "3", "test"),
        (f"train-images-idx3-ubyte{suffix}#00000000", "7", "train"),
        (f"train-images-idx3-ubyte{suffix}#00000001", "0", "train"),
        (f"train-images-idx3-ubyte{suffix}#00000002", "1", "train"),
    ]
    found = {image.tobytes() for image in images_of(tmp_path / "m", tmp_path)}
    assert found == {image.tobytes() for image in [*IMAGES, IMAGES[0] + 100]}
    assert find(str(tmp_path / "m"), tmp_path).kind == "idx"


def test_idx_without_test_files_has_no_own_split_and_plain_files_win_over_packed_ones(tmp_path: Path) -> None:
    write_idx(tmp_path / "m", "train", IMAGES, [7, 0, 1])
    write_idx(tmp_path / "m", "train", IMAGES[:1], [9], suffix=".gz")
    assert [record[1:] for record in labels(index_of(tmp_path / "m", tmp_path))] == [
        ("7", None),
        ("0", None),
        ("1", None),
    ]


def test_idx_images_without_labels_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "m", "train", IMAGES, [7, 0, 1])
    (tmp_path / "m" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="there is no train-labels file beside it"):
        index_of(tmp_path / "m", tmp_path)


def test_idx_with_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "m", "train", IMAGES, [7, 0, 1])
    (tmp_path / "m" / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 2) + b"ab")
    with pytest.raises(DataError, match=r"holds 2 labels and .* holds 3 images"):
        index_of(tmp_path / "m", tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_idx_files_are_refused_or_read_whole_never_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    write_idx(tmp_path / "m", "train", IMAGES, [7, 0, 1])
    name = data.draw(st.sampled_from(["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]))
    bytes_ = bytearray((tmp_path / "m" / name).read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(bytes_) - 1), st.integers(0, 255)), max_size=4)
    ):
        bytes_[place] = value
    kept = data.draw(st.integers(0, len(bytes_)))
    (tmp_path / "m" / name).write_bytes(bytes(bytes_[:kept]) + data.draw(st.binary(max_size=8)))
    try:
        records = index_of(tmp_path / "m", tmp_path)
    except DataError as error:
        assert name in str(error) or "train-" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert len(records) * records[0]["size"] == IMAGES.size


# --- CIFAR-10


def write_cifar10(root: Path, name: str, images_NHWC: np.ndarray[Any, Any], labels_N: list[int]) -> None:
    root.mkdir(exist_ok=True)
    rows = [
        bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(images_NHWC, labels_N, strict=True)
    ]
    (root / name).write_bytes(b"".join(rows))


CIFAR = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_cifar10_binary_files_give_their_pixels_names_and_split(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "c", "data_batch_1.bin", CIFAR[:2], [1, 0])
    write_cifar10(tmp_path / "c", "test_batch.bin", CIFAR[2:], [9])
    (tmp_path / "c" / "batches.meta.txt").write_text("airplane\nautomobile\n\n")
    records = index_of(tmp_path / "c", tmp_path)
    assert labels(records) == [
        ("data_batch_1.bin#00000000", "automobile", "train"),
        ("data_batch_1.bin#00000001", "airplane", "train"),
        ("test_batch.bin#00000000", None, "test"),
    ]
    assert (records[2]["reason"], records[2]["detail"]) == ("unlabelled", "label 9, but there are 2 class names")
    first, second, third = images_of(tmp_path / "c", tmp_path)
    np.testing.assert_array_equal(first, CIFAR[0])
    np.testing.assert_array_equal(second, CIFAR[1])
    assert isinstance(third, UnusableImageError)


def test_the_published_tar_gz_of_cifar10_is_read_without_unpacking_it(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-bin", "data_batch_1.bin", CIFAR, [1, 0, 2])
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    found = find(str(tmp_path / "cifar-10-binary.tar.gz"), tmp_path)
    assert found.kind == "cifar10"
    np.testing.assert_array_equal(next(found.source_kind.read(found.index(), LIMIT)), CIFAR[0])


class Trap:
    """Opening its pickle makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta", "test_batch"])
def test_the_pickled_form_of_cifar10_is_refused_unopened_and_names_the_binary_one(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "cifar-10-batches-py", name)
    (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DataError, match=r"a pickle, .* Get the binary form, cifar-10-binary\.tar\.gz"):
        index_of(tmp_path / "cifar-10-batches-py", tmp_path)
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(0, 3 * 3073), tail=st.binary(max_size=4))
def test_cifar10_files_cut_anywhere_are_refused_or_whole_rows(tmp_path: Path, kept: int, tail: bytes) -> None:
    write_cifar10(tmp_path / "c", "data_batch_1.bin", CIFAR, [1, 0, 2])
    path = tmp_path / "c" / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:kept] + tail)
    size = path.stat().st_size
    if size and size % 3073 == 0:
        assert len(index_of(tmp_path / "c", tmp_path)) == size // 3073
    else:
        with pytest.raises(DataError, match=rf"its {size} bytes are not whole rows of 3073 bytes"):
            index_of(tmp_path / "c", tmp_path)


# --- Parquet


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_parquet_with_image_and_label_is_read_in_row_groups(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    data = [png(value) for value in range(5)]
    table = pa.table({"image": data, "label": ["b", "a", None, "b", ""], "other": range(5)})
    pq.write_table(table, tmp_path / "p" / "a.parquet", row_group_size=2)
    records = index_of(tmp_path / "p", tmp_path)
    assert [record["label_name"] for record in records] == ["b", "a", None, "b", None]
    assert [record["reason"] for record in records] == [None, None, "unlabelled", None, "unlabelled"]
    assert images_of(tmp_path / "p", tmp_path) == data
    assert images_of(tmp_path / "p" / "a.parquet", tmp_path) == data


def test_the_hubs_structs_and_class_names_are_understood(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    images = pa.array([{"bytes": png(1), "path": None}, {"bytes": None, "path": "x"}, None])
    table = pa.table({"image": images, "label": [1, 0, 7]}).replace_schema_metadata({"huggingface": json.dumps(names)})
    pq.write_table(table, tmp_path / "hub.parquet")
    assert [record["label_name"] for record in index_of(tmp_path / "hub.parquet", tmp_path)] == ["dog", "cat", None]
    first, second, third = images_of(tmp_path / "hub.parquet", tmp_path)
    assert first == png(1)
    assert isinstance(second, UnusableImageError)
    assert isinstance(third, UnusableImageError)


def test_parquet_with_other_columns_says_which_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "label": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"its columns are x \(int64\), label \(string\)\. Give Parquet with columns"):
        index_of(tmp_path / "a.parquet", tmp_path)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        index_of(tmp_path / "a.parquet", tmp_path)


# --- digits and names


def test_the_digits_are_all_there_on_the_whole_grey_scale(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    records = index_of("digits", tmp_path)
    assert len(records) == 1797
    pixels = np.stack(images_of("digits", tmp_path))[:, :, :, 0]
    np.testing.assert_array_equal(pixels, np.rint(load_digits().images * 255 / 16))
    assert [int(record["label_name"]) for record in records] == load_digits().target.tolist()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits"),
        ("/data/cifar10-train.tar", "cifar10-train"),
        ("/data/CIFAR10_train.tar.gz", "cifar10-train"),
        ("/data/My Pictures (2)/", "my-pictures-2"),
        ("s3://bucket/some/Prefix/", "prefix"),
        ("s3://bucket", "bucket"),
        ("/data/____", "data-c0a694d0"),
        ("/data/Кошки и собаки.zip", "koshki-i-sobaki"),
        ("/data/图片", "tupian"),
        ("/data/Blätter", "blatter"),
        ("/data/" + "x" * 100, "x" * 63),
    ],
)
def test_a_dataset_is_named_after_its_path(data: str, name: str) -> None:
    assert dataset_name(data) == name
