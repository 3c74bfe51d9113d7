"""Parquet as others write it: which columns hold images and labels, and what is said where none does."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.errors import ConfigError, DataError
from forebay.images import UnusableImageError
from forebay.settings import IngestConfig
from support.parquet_tables import LIMIT, class_folders, detect, names_of, png, read, texts_of, write

# --- columns


@pytest.mark.parametrize("name", ["image", "img", "jpg", "png", "picture", "IMAGE", "pixels", "snapshot"])
@pytest.mark.parametrize("form", ["bytes", "struct", "large"])
def test_images_are_found_by_name_and_by_type(tmp_path: Path, name: str, form: str) -> None:
    data = [png(1), png(2)]
    column = {
        "bytes": pa.array(data),
        "large": pa.array(data, pa.large_binary()),
        "struct": pa.array([{"bytes": each, "path": "x"} for each in data]),
    }[form]
    pq.write_table(pa.table({name: column, "label": ["a", "b"], "note": ["x", "y"]}), tmp_path / "a.parquet")
    found = detect(str(tmp_path / "a.parquet"), tmp_path)
    assert list(found.source_kind.read(found.index(), LIMIT)) == data
    assert texts_of(found) == []


@pytest.mark.parametrize("name", ["label", "labels", "fine_label", "class", "category", "target", "cls", "Label"])
def test_labels_are_found_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a.parquet", **{"number": [5, 6], name: ["a", "b"]})
    assert names_of(tmp_path / "a.parquet", tmp_path) == ["a", "b"]


def test_labels_are_found_by_type_where_no_name_is_known(tmp_path: Path) -> None:
    write(tmp_path, "category.parquet", number=[5, 6], breed=pa.array(["a", "b"]).dictionary_encode())
    assert names_of(tmp_path / "category.parquet", tmp_path) == ["a", "b"]
    hub = {"breed": {"names": ["pug", "boxer"], "_type": "ClassLabel"}}
    write(tmp_path, "hub.parquet", metadata=hub, number=[5, 6], breed=[0, 1])
    assert names_of(tmp_path / "hub.parquet", tmp_path) == ["pug", "boxer"]


def test_where_several_columns_fit_the_order_of_names_decides_and_is_told(tmp_path: Path) -> None:
    write(tmp_path, "cifar100.parquet", coarse_label=[0, 1], fine_label=[7, 8])
    records, notes = read(tmp_path / "cifar100.parquet", tmp_path)
    assert [record["label_name"] for record in records] == ["7", "8"]
    assert notes == [
        "The classes are taken from fine_label, not from coarse_label; ingest.label_column says otherwise."
    ]
    assert names_of(tmp_path / "cifar100.parquet", tmp_path, label_column="coarse_label") == ["0", "1"]


def test_of_two_columns_with_images_the_named_one_counts_and_the_setting_overrules_it(tmp_path: Path) -> None:
    masks = pa.array([{"bytes": png(8), "path": None}, {"bytes": png(9), "path": None}])
    write(tmp_path, "a.parquet", label=["a", "b"], mask=masks)
    for settings, data in (({}, [png(0), png(1)]), ({"image_column": "mask"}, [png(8), png(9)])):
        config = IngestConfig(data=str(tmp_path / "a.parquet"), **settings)  # type: ignore[arg-type]
        found = detect(config.data, tmp_path, config)
        assert list(found.source_kind.read(found.index(), LIMIT)) == data
        told = ["The images are taken from image, not from mask; ingest.image_column says otherwise."]
        assert texts_of(found) == ([] if settings else told)


COLUMNS_THAT_DO_NOT_FIT = {
    r"several columns fit as image: left, right\. Say which one with ingest\.image_column, such as --set "
    r"ingest\.image_column=left": {"left": "images", "right": "images", "label": ["a", "b"]},
    r"no column holds the label; its columns are image \(binary\), breed \(string\), age \(int64\)\. .*"
    r"ingest\.label_column \(fits: breed, age\)": {"image": "images", "breed": ["a", "b"], "age": [1, 2]},
    r"no column holds the label; its columns are image \(binary\), label \(list<": {
        "image": "images",
        "label": [[1], [2]],
    },
    r"no column holds images; its columns are x \(int64\), label \(string\)\. Give Parquet with columns image": {
        "x": [1, 2],
        "label": ["a", "b"],
    },
    r"no column holds images; its columns are image \(list<": {"image": [[1], [2]], "label": ["a", "b"]},
    r"its column image holds only paths, no bytes of images\. Write the images into the table": {
        "image": ["cat/1.png", "dog/2.png"],
        "label": ["a", "b"],
    },
}


@pytest.mark.parametrize(("words", "columns"), COLUMNS_THAT_DO_NOT_FIT.items())
def test_a_table_without_the_columns_says_what_is_there_and_what_to_do(
    tmp_path: Path, words: str, columns: dict[str, Any]
) -> None:
    images = [png(1), png(2)]
    table = pa.table({name: images if values == "images" else values for name, values in columns.items()})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet: {words}"):
        read(tmp_path / "a.parquet", tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"image_column": "photo"},
            r"ingest\.image_column=photo is not there; its columns are image \(binary\), label \(string\), "
            r"tags \(list<.*\)\. Columns that fit as image: image\.",
        ),
        (
            {"image_column": "label"},
            r"ingest\.image_column=label cannot be: its type is string\. Columns that fit as image: image\.",
        ),
        (
            {"label_column": "Label"},
            r"ingest\.label_column=Label is not there; .*Columns that fit as label: label\.",
        ),
        (
            {"label_column": "tags"},
            r"ingest\.label_column=tags cannot be: its type is list<.*Columns that fit as label: label\.",
        ),
    ],
)
def test_a_wrong_name_in_a_setting_lists_the_columns_and_those_that_fit(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    write(tmp_path, "a.parquet", label=["a", "b"], tags=[["x"], ["y"]])
    with pytest.raises(DataError, match=rf"a\.parquet: {words}"):
        read(tmp_path / "a.parquet", tmp_path, **settings)


def test_a_folders_key_of_no_known_name_is_no_label_and_is_told(tmp_path: Path) -> None:
    for species in ("cat", "dog"):
        write(tmp_path / "d", f"species={species}/part-0.parquet", 1)
    words = r"its columns are image \(binary\), its partition folders species=…\. .*label_column \(fits: species\)"
    with pytest.raises(DataError, match=words):
        read(tmp_path / "d", tmp_path)
    assert names_of(tmp_path / "d", tmp_path, label_column="species") == ["cat", "dog"]


def test_a_column_as_set_makes_parquet_of_a_folder_with_images(tmp_path: Path) -> None:
    write(class_folders(tmp_path / "d"), "a.parquet", breed=["x", "y"])
    assert names_of(tmp_path / "d", tmp_path, label_column="breed") == ["x", "y"]


def test_the_setting_may_name_the_key_of_a_folder(tmp_path: Path) -> None:
    for breed in ("pug", "boxer"):
        write(tmp_path / "d", f"breed={breed}/a.parquet", 1, label=["dog"])
    assert names_of(tmp_path / "d", tmp_path) == ["dog", "dog"]
    assert names_of(tmp_path / "d", tmp_path, label_column="breed") == ["boxer", "pug"]


def test_two_columns_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([png(1)]), pa.array(["a"]), pa.array(["b"])], ["image", "label", "label"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no column holds the label; its columns are image .*, label .*, label"):
        read(tmp_path / "a.parquet", tmp_path)
    with pytest.raises(DataError, match=r"ingest\.label_column=label cannot be: its type is not clear: two columns"):
        read(tmp_path / "a.parquet", tmp_path, label_column="label")


@pytest.mark.parametrize("key", ["image_column", "label_column"])
def test_a_column_for_a_source_that_is_no_parquet_is_refused(tmp_path: Path, key: str) -> None:
    class_folders(tmp_path / "d")
    with pytest.raises(
        ConfigError,
        match=rf"ingest\.{key}=img names a column of Parquet files or of a table of labels, and .* holds none",
    ):
        detect(str(tmp_path / "d"), tmp_path, IngestConfig(**{key: "img"}))  # type: ignore[arg-type]


# --- paths instead of images


@pytest.mark.parametrize("empty", [pa.null(), pa.binary()])
def test_a_table_of_paths_without_bytes_is_refused_by_name(tmp_path: Path, empty: pa.DataType) -> None:
    kind = pa.struct([("bytes", empty), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": "cat/1.png"}, {"bytes": None, "path": "dog/2.png"}], kind)
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(
        DataError, match=r"a\.parquet: its column image holds only paths \(such as 'cat/1\.png'\), no bytes of images"
    ):
        read(tmp_path / "a.parquet", tmp_path)


def test_a_row_with_a_path_only_is_unreadable_and_says_so(tmp_path: Path) -> None:
    images = pa.array([{"bytes": png(1), "path": None}, {"bytes": None, "path": "x.png"}, None])
    pq.write_table(pa.table({"image": images, "label": [0, 1, 1]}), tmp_path / "a.parquet")
    found = detect(str(tmp_path / "a.parquet"), tmp_path)
    first, second, third = found.source_kind.read(found.index(), LIMIT)
    assert first == png(1)
    assert isinstance(second, UnusableImageError)
    assert isinstance(third, UnusableImageError)
    assert (second.detail, third.detail) == ("only a path ('x.png'), no bytes", "the image is missing")


# --- Spark's image


def spark_image(pixels: Any, mode: int, **changes: Any) -> dict[str, Any]:
    height, width, channels = pixels.shape
    image = {
        "origin": "file:/x.png", "height": height, "width": width, "nChannels": channels, "mode": mode,
        "data": pixels.tobytes(),
    }  # fmt: skip
    return image | changes


SPARK_TYPE = pa.struct(
    [("origin", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("nChannels", pa.int32()),
     ("mode", pa.int32()), ("data", pa.binary())]
)  # fmt: skip


def test_sparks_images_are_read_as_grey_and_as_red_green_blue(tmp_path: Path) -> None:
    bgra = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    bgra[:, :, 3] = 255
    bgra[0, 0, 3] = 0
    images = [
        spark_image(bgra[:, :, :1], 0),
        spark_image(bgra[:, :, :3], 16),
        spark_image(bgra, 24),
        spark_image(bgra[:, :, :3], 21),
        spark_image(bgra, 16),
        spark_image(bgra[:, :, :3], 16, height=9),
        {"origin": "x", "height": -1, "width": -1, "nChannels": -1, "mode": -1, "data": b""},
        None,
    ]
    pq.write_table(pa.table({"image": pa.array(images, SPARK_TYPE), "label": range(8)}), tmp_path / "a.parquet")
    found = detect(str(tmp_path / "a.parquet"), tmp_path)
    grey, colour, alpha, *bad = found.source_kind.read(found.index(), LIMIT)
    np.testing.assert_array_equal(grey, bgra[:, :, :1])
    np.testing.assert_array_equal(colour, bgra[:, :, 2::-1])
    expected = bgra[:, :, 2::-1].copy()
    expected[0, 0] = 255  # transparent: laid on white
    np.testing.assert_array_equal(alpha, expected)
    assert [error.detail for error in bad] == [
        "image of OpenCV type 21, only 0, 16 and 24 are read",
        "image of OpenCV type 16, only 0, 16 and 24 are read",
        "18 bytes are not 9x3x3 pixels",
        "image of OpenCV type -1, only 0, 16 and 24 are read",
        "the image is missing",
    ]
