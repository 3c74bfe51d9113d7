"""Parquet as others write it: what a label means."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.parquet_tables import names_of, png, read, write

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


def test_what_pandas_writes_as_text_or_as_a_folder_is_read_as_the_value(tmp_path: Path) -> None:
    write(tmp_path, "text.parquet", 3, label=["cat", "nan", "<NA>"])
    assert [record["label_name"] for record in read(tmp_path / "text.parquet", tmp_path)[0]] == ["cat", None, None]
    for folder in ("label=1.0", "label=2.5", "label=nan"):
        write(tmp_path / "folders", f"{folder}/a.parquet", 1)
    found = [record["label_name"] for record in read(tmp_path / "folders", tmp_path)[0]]
    assert sorted(found, key=str) == ["1", "2.5", None]


def test_a_column_and_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "label=cat/a.parquet", label=["x", "y"])
    records, notes = read(tmp_path, tmp_path)
    assert [record["label_name"] for record in records] == ["x", "y"]
    assert notes == ["The classes are taken from the column label, not from the folders label=…."]
