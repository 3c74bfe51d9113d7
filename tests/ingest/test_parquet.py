"""Parquet as others write it, up to the index: which columns, which labels, which split, and what is said."""

import io
import json
import os
import tarfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, DataError
from forebay.ingest.detect import Found
from forebay.ingest.detect import find as recognise
from forebay.ingest.quarantine import check
from forebay.ingest.splits import mentioned_side, own_split
from forebay.ingest.summary import lost_split
from forebay.pictures import PictureError
from forebay.settings import IngestConfig

LIMIT = 1 << 20


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, name: str, /, rows: int = 2, metadata: dict[str, Any] | None = None, **columns: Any) -> Path:
    """A Parquet file with pictures in `image`, unless it is given; returns the root."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": [png(row) for row in range(rows)], **columns})
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    pq.write_table(table, path)
    return root


def find(data: str, work: Path, config: IngestConfig | None = None) -> Found:
    return recognise(replace(config or IngestConfig(), data=data), work)


def texts_of(found: Found) -> list[str]:
    return [note.text for note in found.notes]


def read(data: Path, work: Path, **settings: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Records by position, and notes."""
    found = find(str(data), work, IngestConfig(data=str(data), **settings))  # type: ignore[arg-type]
    return found.index().sort_by("position").to_pylist(), texts_of(found)


def names_of(data: Path, work: Path, **settings: str) -> list[str | None]:
    return [record["label_name"] for record in read(data, work, **settings)[0]]


def splits_of(data: Path, work: Path) -> tuple[dict[str, set[str | None]], list[str]]:
    """The splits of each file's rows, and notes."""
    records, notes = read(data, work)
    found: dict[str, set[str | None]] = {}
    for record in records:
        found.setdefault(record["source"].partition("#")[0], set()).add(record["split"])
    return found, notes


# --- words for a split


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *((word, "train") for word in ("train", "Training", "seg_train", "training_set", "train2017", "trainval")),
        *((word, "validation") for word in ("val", "VALID", "validation-00000-of-00002", "dev", "val2014")),
        *((word, "test") for word in ("test", "testing", "test-images", "eval", "partial-test", "test_0.parquet")),
        *((word, None) for word in ("", "part-00000", "latest", "contest", "train_test", "extra", "trains", "2017")),
    ],
)
def test_usual_words_and_their_compounds_stand_for_a_side_of_a_split(name: str, side: str | None) -> None:
    assert mentioned_side(name) == side


@pytest.mark.parametrize(
    ("words", "uses"),
    [
        ({"train", "test"}, {"train": "train", "test": "test"}),
        ({"train", "validation"}, {"train": "train", "validation": "test"}),
        ({"train", "validation", "test"}, {"train": "train", "validation": "train", "test": "test"}),
        ({"validation", "test"}, {"validation": "train", "test": "test"}),
        ({"train"}, {}),
        ({"test"}, {}),
        (set(), {}),
    ],
)
def test_test_words_hold_out_and_validation_words_do_where_there_is_no_test(
    words: set[str], uses: dict[str, str]
) -> None:
    assert own_split(words) == uses


# --- split from names and folders


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001-0123abc.parquet"),
        ("train.parquet", "test.parquet"),
        ("train_0.parquet", "test_0.snappy.parquet"),
        ("train/part-0.parquet", "test/part-0.parquet"),
        ("default/partial-train/0000.parquet", "default/partial-test/0000.parquet"),
        ("TRAIN.PARQUET", "Validation.pq"),
        ("split=train/part-0.parquet", "split=test/part-0.parquet"),
        ("a=1/Split=Train/x.parquet", "a=2/Split=VAL/x.parquet"),
        ("split=tr%61in/part-0.parquet", "split=te%73t/part-0.parquet"),
    ],
)
def test_file_names_and_folders_say_the_split(tmp_path: Path, train: str, test: str) -> None:
    for name in (train, test):
        write(tmp_path / "d", name, label=["a", "b"])
    assert splits_of(tmp_path / "d", tmp_path) == ({train: {"train"}, test: {"test"}}, [])


def test_validation_files_hold_out_only_where_there_are_no_test_files(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        write(tmp_path / "d" / "data", f"{name}-00000-of-00001.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert [found[f"data/{name}-00000-of-00001.parquet"] for name in ("train", "validation", "test")] == [
        {"train"}, {"train"}, {"test"}
    ]  # fmt: skip
    assert notes == []


def test_names_without_a_word_bring_no_split_and_no_warning(tmp_path: Path) -> None:
    for name in ("part-00000", "part-00001"):
        write(tmp_path / "d", f"{name}.parquet", label=["a", "b"])
    assert splits_of(tmp_path / "d", tmp_path) == ({"part-00000.parquet": {None}, "part-00001.parquet": {None}}, [])


def test_one_side_alone_is_dropped_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "d", "train-00000-of-00001.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"train-00000-of-00001.parquet": {None}}
    assert notes == [
        "The source's split is dropped: it names only train rows (such as train-00000-of-00001.parquet), and a split "
        "needs training rows and held-out rows. Rows are held out by content instead (preprocess.holdout)."
    ]


def test_rows_that_are_marked_as_held_out_stay_so_beside_files_that_name_no_split(tmp_path: Path) -> None:
    write(tmp_path / "d", "more.parquet", label=["a", "b"])
    write(tmp_path / "d", "test.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"more.parquet": {None}, "test.parquet": {"test"}}  # preprocess trains on what is not test
    assert notes == ["2 rows name no split (first in more.parquet): they are trained on."]


# --- split from a column


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["train", "test"], ["train", "test"]),
        (["TRAIN", "Val"], ["train", "test"]),
        (["training", "validation", "testing"], ["train", "train", "test"]),
        (["train", "dev", None], ["train", "test", None]),
        ([None, "test"], [None, "test"]),
    ],
)
def test_a_split_column_says_the_split(tmp_path: Path, words: list[str | None], splits: list[str | None]) -> None:
    write(tmp_path, "all.parquet", len(words), label=["a"] * len(words), split=words)
    assert [record["split"] for record in read(tmp_path / "all.parquet", tmp_path)[0]] == splits


def test_a_split_column_may_be_a_category_or_a_number_with_a_name(tmp_path: Path) -> None:
    category = pa.array(["train", "test"]).dictionary_encode()
    write(tmp_path, "category.parquet", label=["a", "b"], split=category)
    features = {"split": {"names": ["train", "test"], "_type": "ClassLabel"}, "label": {"_type": "Value"}}
    write(tmp_path, "number.parquet", metadata=features, label=["a", "b"], Split=[0, 1])
    features["Split"] = features.pop("split")
    write(tmp_path, "number.parquet", metadata=features, label=["a", "b"], Split=[0, 1])
    for name in ("category", "number"):
        assert [record["split"] for record in read(tmp_path / f"{name}.parquet", tmp_path)[0]] == ["train", "test"]


def test_unknown_words_of_a_split_are_named(tmp_path: Path) -> None:
    write(tmp_path, "extra.parquet", 4, label=list("abab"), split=["train", "test", "extra", "extra"])
    records, notes = read(tmp_path / "extra.parquet", tmp_path)
    assert [record["split"] for record in records] == ["train", "test", "train", "train"]
    assert notes == [
        "2 rows have the split 'extra', which stands for none of training, validation and test rows: they are "
        "trained on."
    ]
    write(tmp_path, "folds.parquet", 3, label=list("aba"), split=["fold1", "fold2", "fold1"])
    records, notes = read(tmp_path / "folds.parquet", tmp_path)
    assert {record["split"] for record in records} == {None}
    assert notes == [
        "The source's split is dropped: 'fold1', 'fold2' (such as in folds.parquet) stands for none of training, "
        "validation and test rows. Rows are held out by content instead (preprocess.holdout)."
    ]
    write(tmp_path, "half.parquet", label=["a", "b"], split=["train", "spare"])
    records, notes = read(tmp_path / "half.parquet", tmp_path)
    assert {record["split"] for record in records} == {None}
    assert "it names only train rows (such as half.parquet), and 'spare', which is no word for a split, and" in notes[0]


def test_a_column_that_only_may_be_a_split_counts_with_a_known_word(tmp_path: Path) -> None:
    write(tmp_path, "a.parquet", label=["a", "b"], subset=["train", "test"])
    write(tmp_path, "b.parquet", label=["a", "b"], subset=["indoor", "outdoor"])
    assert [record["split"] for record in read(tmp_path / "a.parquet", tmp_path)[0]] == ["train", "test"]
    assert read(tmp_path / "b.parquet", tmp_path)[1] == []


def test_the_column_counts_where_names_say_another_split(tmp_path: Path) -> None:
    write(tmp_path / "d", "train.parquet", label=["a", "b"], split=["train", "test"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"train.parquet": {"train", "test"}}
    assert notes == ["The split column of train.parquet says another split than its place does; the column counts."]


# --- labels


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ([1.0, float("nan"), None], ["1", None, None]),
        ([1.5, 0.0, float("inf")], ["1.5", "0", None]),
        ([True, False, None], ["True", "False", None]),
        (pa.array(["a", None, " "], pa.large_string()), ["a", None, None]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", None, "b"]),
        (pa.array(["a", None, "b"], pa.string_view()), ["a", None, "b"]),
        (pa.array([b"a", None, b"\xff"]), ["a", None, None]),
        (pa.array([3, None, 255], pa.uint8()), ["3", None, "255"]),
        (pa.array([Decimal("2.00"), None, Decimal("2.50")]), ["2", None, "2.50"]),
        (pa.array([1, 2**62, -1]), ["1", str(2**62), "-1"]),
        (pa.nulls(3), [None, None, None]),
        (pa.array([2.0, 0.5, None], pa.float16()), ["2", "0.5", None]),
    ],
)
def test_values_of_a_label_column_become_names(tmp_path: Path, label: Any, names: list[str | None]) -> None:
    write(tmp_path, "a.parquet", 3, label=label)
    records, _ = read(tmp_path / "a.parquet", tmp_path)
    assert [record["label_name"] for record in records] == names
    assert [record["reason"] for record in records] == [None if name else "unlabelled" for name in names]
    assert all(record["detail"].startswith("no label (") for record in records if record["reason"])


def test_pandas_writes_categories_and_missing_values_that_are_understood(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"image": [png(1), png(2), png(3)]})
    for name, column, names in (
        ("category", pd.Categorical(["cat", None, "dog"]), ["cat", None, "dog"]),
        ("float", [1, None, 2], ["1", None, "2"]),
        ("integer", pd.array([1, None, 2], "Int64"), ["1", None, "2"]),
        ("nat", pd.array([pd.NaT, pd.NaT, pd.NaT]).astype(object), [None, None, None]),
    ):
        frame.assign(label=column).to_parquet(tmp_path / f"{name}.parquet")
        assert names_of(tmp_path / f"{name}.parquet", tmp_path) == names, name


@pytest.mark.parametrize(
    "names",
    [
        {"names": ["cat", "dog"], "_type": "ClassLabel"},
        {"names": {"0": "cat", "1": "dog"}, "_type": "ClassLabel"},
        {"names": {"dog": 1, "cat": 0}, "_type": "ClassLabel"},
        {"dtype": {"class_label": {"names": {"1": "dog", "0": "cat"}}}},
    ],
)
@pytest.mark.parametrize("label", [[1, -1, 0, 7], [1.0, float("nan"), 0.0, 0.5], [True, None, False, None]])
def test_numbers_are_named_by_the_hubs_class_names_and_below_zero_is_unlabelled(
    tmp_path: Path, names: dict[str, Any], label: list[Any]
) -> None:
    write(tmp_path, "a.parquet", 4, metadata={"label": names}, label=label)
    assert names_of(tmp_path / "a.parquet", tmp_path) == ["dog", None, "cat", None]


def test_a_number_without_a_class_name_says_so(tmp_path: Path) -> None:
    write(tmp_path, "a.parquet", metadata={"label": {"names": ["x"]}}, label=[-1, 4])
    assert [record["detail"] for record in read(tmp_path / "a.parquet", tmp_path)[0]] == [
        "label -1, but there are 1 class names", "label 4, but there are 1 class names"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "metadata", [{"label": None}, {"label": {"names": {"0": "a", "5": "b"}}}, {"label": {"names": "ab"}}]
)
def test_odd_metadata_leaves_numbers_as_they_are(tmp_path: Path, metadata: dict[str, Any]) -> None:
    write(tmp_path, "a.parquet", metadata=metadata, label=[0, 1])
    assert names_of(tmp_path / "a.parquet", tmp_path) == ["0", "1"]


@pytest.mark.parametrize("key", ["label", "class", "labels", "fine_label", "Category"])
def test_the_label_may_stand_in_a_folders_name(tmp_path: Path, key: str) -> None:
    for value in ("cat", "golden%20retriever", "a=b", "__HIVE_DEFAULT_PARTITION__", "100%"):
        write(tmp_path / "d", f"{key}={value}/part-0.parquet", 1)
    assert sorted(names_of(tmp_path / "d", tmp_path), key=str) == ["100%", None, "a=b", "cat", "golden retriever"]


def test_label_and_split_may_stand_in_nested_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            write(tmp_path / "d", f"split={split}/label={label}/part-0.parquet", 1)
            write(tmp_path / "e", f"label={label}/split={split}/part-0.parquet", 1)
    for folder in ("d", "e"):
        records, notes = read(tmp_path / folder, tmp_path)
        assert sorted((record["split"], record["label_name"]) for record in records) == [
            ("test", "cat"), ("test", "dog"), ("train", "cat"), ("train", "dog")
        ]  # fmt: skip
        assert notes == []


def test_a_class_called_test_in_a_folders_name_is_no_split(tmp_path: Path) -> None:
    for label in ("train", "test"):
        write(tmp_path / "d", f"label={label}/part-0.parquet", 1)
    records, notes = read(tmp_path / "d", tmp_path)
    assert [(record["label_name"], record["split"]) for record in records] == [("test", None), ("train", None)]
    assert notes == []


# --- columns


@pytest.mark.parametrize("name", ["image", "img", "jpg", "png", "picture", "IMAGE", "pixels", "snapshot"])
@pytest.mark.parametrize("form", ["bytes", "struct", "large"])
def test_pictures_are_found_by_name_and_by_type(tmp_path: Path, name: str, form: str) -> None:
    data = [png(1), png(2)]
    column = {
        "bytes": pa.array(data),
        "large": pa.array(data, pa.large_binary()),
        "struct": pa.array([{"bytes": each, "path": "x"} for each in data]),
    }[form]
    pq.write_table(pa.table({name: column, "label": ["a", "b"], "note": ["x", "y"]}), tmp_path / "a.parquet")
    found = find(str(tmp_path / "a.parquet"), tmp_path)
    assert list(found.source.read(found.index(), LIMIT)) == data
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


def test_of_two_columns_with_pictures_the_named_one_counts_and_the_setting_overrules_it(tmp_path: Path) -> None:
    masks = pa.array([{"bytes": png(8), "path": None}, {"bytes": png(9), "path": None}])
    write(tmp_path, "a.parquet", label=["a", "b"], mask=masks)
    for settings, data in (({}, [png(0), png(1)]), ({"image_column": "mask"}, [png(8), png(9)])):
        config = IngestConfig(data=str(tmp_path / "a.parquet"), **settings)  # type: ignore[arg-type]
        found = find(config.data, tmp_path, config)
        assert list(found.source.read(found.index(), LIMIT)) == data
        told = ["The pictures are taken from image, not from mask; ingest.image_column says otherwise."]
        assert texts_of(found) == ([] if settings else told)


COLUMNS_THAT_DO_NOT_FIT = {
    r"several columns fit as image: left, right\. Say which one with ingest\.image_column, such as --set "
    r"ingest\.image_column=left": {"left": "pictures", "right": "pictures", "label": ["a", "b"]},
    r"no column holds the label; its columns are image \(binary\), breed \(string\), age \(int64\)\. .*"
    r"ingest\.label_column \(fits: breed, age\)": {"image": "pictures", "breed": ["a", "b"], "age": [1, 2]},
    r"no column holds the label; its columns are image \(binary\), label \(list<": {
        "image": "pictures",
        "label": [[1], [2]],
    },
    r"no column holds pictures; its columns are x \(int64\), label \(string\)\. Give Parquet with columns image": {
        "x": [1, 2],
        "label": ["a", "b"],
    },
    r"no column holds pictures; its columns are image \(list<": {"image": [[1], [2]], "label": ["a", "b"]},
    r"its column image holds only paths, no bytes of pictures\. Write the pictures into the table": {
        "image": ["cat/1.png", "dog/2.png"],
        "label": ["a", "b"],
    },
}


@pytest.mark.parametrize(("words", "columns"), COLUMNS_THAT_DO_NOT_FIT.items())
def test_a_table_without_the_columns_says_what_is_there_and_what_to_do(
    tmp_path: Path, words: str, columns: dict[str, Any]
) -> None:
    pictures = [png(1), png(2)]
    table = pa.table({name: pictures if values == "pictures" else values for name, values in columns.items()})
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


def test_a_column_as_set_makes_parquet_of_a_folder_with_pictures(tmp_path: Path) -> None:
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
        find(str(tmp_path / "d"), tmp_path, IngestConfig(**{key: "img"}))  # type: ignore[arg-type]


# --- paths instead of pictures


@pytest.mark.parametrize("empty", [pa.null(), pa.binary()])
def test_a_table_of_paths_without_bytes_is_refused_by_name(tmp_path: Path, empty: pa.DataType) -> None:
    kind = pa.struct([("bytes", empty), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": "cat/1.png"}, {"bytes": None, "path": "dog/2.png"}], kind)
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(
        DataError, match=r"a\.parquet: its column image holds only paths \(such as 'cat/1\.png'\), no bytes of pictures"
    ):
        read(tmp_path / "a.parquet", tmp_path)


def test_a_row_with_a_path_only_is_unreadable_and_says_so(tmp_path: Path) -> None:
    images = pa.array([{"bytes": png(1), "path": None}, {"bytes": None, "path": "x.png"}, None])
    pq.write_table(pa.table({"image": images, "label": [0, 1, 1]}), tmp_path / "a.parquet")
    found = find(str(tmp_path / "a.parquet"), tmp_path)
    first, second, third = found.source.read(found.index(), LIMIT)
    assert first == png(1)
    assert isinstance(second, PictureError)
    assert isinstance(third, PictureError)
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
    found = find(str(tmp_path / "a.parquet"), tmp_path)
    grey, colour, alpha, *bad = found.source.read(found.index(), LIMIT)
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


# --- Parquet and other files in one place


def class_folders(root: Path, per_class: int = 3) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            (root / name / f"{number}.png").write_bytes(png(number))
    return root


@pytest.mark.parametrize("name", ["metadata.parquet", "cat/stats.parquet", "_delta_log/1.checkpoint.parquet"])
def test_a_stray_parquet_file_leaves_an_image_folder_one(tmp_path: Path, name: str) -> None:
    root = class_folders(tmp_path / "d")
    (root / name).parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"file_name": ["cat/0.png"], "taken": ["2024-05-01"]}), root / name)
    found = find(str(root), tmp_path)
    assert found.kind == "folder"
    if not name.startswith("_"):
        assert [record["source"] for record in found.index().to_pylist() if "parquet" in record["source"]] == []
        assert texts_of(found) == [
            f"Parquet beside pictures is passed over: {name}. Give such a file itself to read it."
        ]


@pytest.mark.parametrize("bytes_", [b"", b"PAR1 damaged"])
def test_a_damaged_stray_is_a_stray(tmp_path: Path, bytes_: bytes) -> None:
    (class_folders(tmp_path / "d") / "x.parquet").write_bytes(bytes_)
    assert find(str(tmp_path / "d"), tmp_path).kind == "folder"


def test_thumbnails_in_parquet_do_not_outvote_class_folders_but_a_large_table_outvotes_examples(tmp_path: Path) -> None:
    write(class_folders(tmp_path / "d"), "thumbnails.parquet", 6, label=["x"] * 6)
    assert find(str(tmp_path / "d"), tmp_path).kind == "folder"
    write(tmp_path / "d", "large.parquet", 60, label=["x"] * 60)
    found = find(str(tmp_path / "d"), tmp_path)
    assert found.kind == "parquet"
    found.index()
    assert texts_of(found) == ["Pictures beside Parquet are passed over: cat/0.png, cat/1.png, cat/2.png and 3 more."]


@pytest.mark.parametrize("name", ["preview.png", "assets/preview.png"])
def test_parquet_with_a_preview_beside_it_stays_parquet(tmp_path: Path, name: str) -> None:
    write(tmp_path / "d", "data/train.parquet", label=["a", "b"])
    (tmp_path / "d" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "d" / name).write_bytes(png(1))
    found = find(str(tmp_path / "d"), tmp_path)
    assert found.kind == "parquet"
    assert len(found.index()) == 2
    assert f"Pictures beside Parquet are passed over: {name}." in texts_of(found)


def test_a_bad_table_with_a_preview_beside_it_is_still_told_of_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", image=["x.png", "y.png"], label=["a", "b"])
    (tmp_path / "d" / "preview.png").write_bytes(png(1))
    with pytest.raises(DataError, match="holds only paths"):
        read(tmp_path / "d", tmp_path)


def test_parquet_in_a_tar_is_refused_by_name_and_a_stray_one_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", label=["a", "b"])
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        tar.add(tmp_path / "d", "d")
    with pytest.raises(DataError, match=r"d/a\.parquet: Parquet inside an archive is not read\. Unpack it"):
        read(tmp_path / "d.tar", tmp_path)
    with tarfile.open(tmp_path / "e.tar", "w") as tar:
        tar.add(class_folders(tmp_path / "e"), "e")
        tar.add(tmp_path / "d" / "a.parquet", "e/a.parquet")
    records, notes = read(tmp_path / "e.tar", tmp_path)
    assert len(records) == 6
    assert notes == ["Parquet beside pictures is passed over: e/a.parquet. Give such a file itself to read it."]


def test_a_delta_tables_log_is_passed_over_and_said(tmp_path: Path) -> None:
    write(tmp_path / "d", "part-0.parquet", label=["a", "b"])
    write(tmp_path / "d", "_delta_log/00010.checkpoint.parquet", image=[1], txn=["x"])
    (tmp_path / "d" / "_delta_log" / "00010.json").write_text("{}")
    records, notes = read(tmp_path / "d", tmp_path)
    assert len(records) == 2
    assert len(notes) == 1
    assert notes[0].startswith("This is a Delta table, whose log is not read")


# --- files that differ


def test_one_file_without_the_columns_is_named(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", label=["a", "b"])
    pq.write_table(pa.table({"image": [png(5)], "caption": ["x"]}), tmp_path / "d" / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: no column holds the label; its columns are image .*, caption"):
        read(tmp_path / "d", tmp_path)


def test_a_file_without_rows_does_no_harm_whatever_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", label=["a", "b"])
    pq.write_table(pa.table({"x": pa.array([], pa.int8())}), tmp_path / "d" / "b.parquet")
    pq.write_table(pa.table({}), tmp_path / "d" / "test.parquet")
    assert splits_of(tmp_path / "d", tmp_path) == ({"a.parquet": {None}}, [])
    (tmp_path / "d" / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"no picture among its files \(b\.parquet, test\.parquet\)"):
        read(tmp_path / "d", tmp_path)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"label": {"names": ["dog", "cat"]}}, "the classes dog, cat"),
        (None, "classes without names"),
    ],
)
def test_files_whose_numbers_mean_other_classes_are_refused(
    tmp_path: Path, other: dict[str, Any] | None, words: str
) -> None:
    write(tmp_path / "d", "a.parquet", metadata={"label": {"names": ["cat", "dog"]}}, label=[0, 1])
    write(tmp_path / "d", "b.parquet", metadata=other, label=[0, 1])
    with pytest.raises(
        DataError, match=f"b.parquet: its labels are numbers of {words}, those of a.parquet of the classes cat"
    ):
        read(tmp_path / "d", tmp_path)


def test_labels_from_several_columns_and_numbers_beside_text_are_said(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", label=["cat", "dog"])
    write(tmp_path / "d", "b.parquet", category=[0, 1])
    records, notes = read(tmp_path / "d", tmp_path)
    assert [record["label_name"] for record in records] == ["cat", "dog", "0", "1"]
    assert notes == [
        "The classes are taken from several columns: label in a.parquet and category in b.parquet. Where they mean "
        "different things, set ingest.label_column.",
        "Labels are numbers in b.parquet and text in a.parquet; both become classes.",
    ]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_damaged_bytes_are_refused_with_the_files_name(tmp_path: Path, place: float) -> None:
    write(tmp_path, "a.parquet", 200, label=[str(row) for row in range(200)])
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    at = int(place * len(data))
    (tmp_path / "a.parquet").write_bytes(bytes(data[:at]))
    with pytest.raises(DataError, match=r"a\.parquet: (not a whole Parquet file|reading it failed)"):
        read(tmp_path / "a.parquet", tmp_path)


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    write(tmp_path / "d", "a.parquet", label=["a", "b"])
    (tmp_path / "d" / "b.parquet").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"b\.parquet: No such file or directory\. Mend it, or take it out"):
        read(tmp_path / "d", tmp_path)


# --- what the step says of it


def test_a_test_side_of_which_nothing_is_usable_is_said_to_drop_the_split(tmp_path: Path) -> None:
    index = pa.table({"split": ["train", "test", None]})
    assert lost_split(index, {"train": 1, "test": 1}) == []
    assert lost_split(index, {"train": 1}) == [
        "No usable picture is left of the source's test rows, so its split is dropped. Rows are held out by content "
        "instead (preprocess.holdout)."
    ]


@pytest.mark.parametrize(
    ("quarantined", "classes", "words"),
    [
        ({"unlabelled": 9}, ["a", "b"], r"raise ingest\.max_quarantine\. Rows get their label from a column or from"),
        ({}, ["a"], r"at least two classes: ingest\.label_column names the column, or the key of folders"),
    ],
)
def test_advice_for_parquet_is_about_columns(
    tmp_path: Path, quarantined: dict[str, int], classes: list[str], words: str
) -> None:
    manifest = DataManifest(
        name="d", source="d", kind="parquet", fingerprint="", code_version="", rows=1, classes=classes,
        class_rows=dict.fromkeys(classes, 1), height=1, width=1, channels=1, digest="", quarantined=quarantined,
        sizes={}, splits={}, warnings=[], settings={},
    )  # fmt: skip
    with pytest.raises(DataError, match=words):
        check(manifest, IngestConfig(), rows=10, set_aside=0, out=tmp_path, where="`forebay quarantine` lists them all")


def test_a_column_name_with_a_dot_and_a_split_column_of_nulls_are_read(tmp_path: Path) -> None:
    images = pa.array([{"bytes": png(1), "path": "x"}, {"bytes": png(2), "path": "y"}])
    table = pa.table({"my.image": images, "my.label": ["a", "b"], "split": pa.nulls(2)})
    pq.write_table(table, tmp_path / "a.parquet")
    config = IngestConfig(data=str(tmp_path / "a.parquet"), label_column="my.label")
    found = find(config.data, tmp_path, config)
    assert list(found.source.read(found.index(), LIMIT)) == [png(1), png(2)]
    assert texts_of(found) == []


def test_class_names_none_at_all_and_endless_metadata_leave_numbers_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "none.parquet", metadata={"label": {"names": [], "_type": "ClassLabel"}}, label=[0, 1])
    assert names_of(tmp_path / "none.parquet", tmp_path) == ["0", "1"]
    deep = pa.table({"image": [png(1)], "label": [0]}).replace_schema_metadata({"huggingface": "[" * 100_000})
    pq.write_table(deep, tmp_path / "deep.parquet")
    assert names_of(tmp_path / "deep.parquet", tmp_path) == ["0"]


def test_a_file_whose_labels_are_all_missing_agrees_with_any_class_names(tmp_path: Path) -> None:
    write(tmp_path / "d", "train.parquet", metadata={"label": {"names": ["a", "b"]}}, label=[0, 1])
    write(tmp_path / "d", "test.parquet", label=pa.nulls(2))
    assert names_of(tmp_path / "d", tmp_path) == [None, None, "a", "b"]


def test_a_pipe_beside_pictures_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(class_folders(tmp_path / "d") / "x.parquet")
    assert find(str(tmp_path / "d"), tmp_path).kind == "folder"
