"""Parquet beside images, files that differ, and what the step says of them."""

import os
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.contracts.manifest import DataManifest
from forebay.errors import DataError
from forebay.ingest.quarantine.check import check_class_count, check_quarantine
from forebay.ingest.summary.make_manifest import lost_split_warning
from forebay.settings import IngestConfig
from support.parquet_tables import LIMIT, class_folders, detect, png, read, splits_of, texts_of, write

# --- Parquet and other files in one place


@pytest.mark.parametrize("name", ["metadata.parquet", "cat/stats.parquet", "_delta_log/1.checkpoint.parquet"])
def test_a_stray_parquet_file_leaves_an_image_folder_one(tmp_path: Path, name: str) -> None:
    root = class_folders(tmp_path / "d")
    (root / name).parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"file_name": ["cat/0.png"], "taken": ["2024-05-01"]}), root / name)
    found = detect(str(root), tmp_path)
    assert found.kind == "folder"
    if not name.startswith("_"):
        assert [record["source"] for record in found.index().to_pylist() if "parquet" in record["source"]] == []
        assert texts_of(found) == [f"Parquet beside images is passed over: {name}. Give such a file itself to read it."]


@pytest.mark.parametrize("bytes_", [b"", b"PAR1 damaged"])
def test_a_damaged_stray_is_a_stray(tmp_path: Path, bytes_: bytes) -> None:
    (class_folders(tmp_path / "d") / "x.parquet").write_bytes(bytes_)
    assert detect(str(tmp_path / "d"), tmp_path).kind == "folder"


def test_thumbnails_in_parquet_do_not_outvote_class_folders_but_a_large_table_outvotes_examples(tmp_path: Path) -> None:
    write(class_folders(tmp_path / "d"), "thumbnails.parquet", 6, label=["x"] * 6)
    assert detect(str(tmp_path / "d"), tmp_path).kind == "folder"
    write(tmp_path / "d", "large.parquet", 60, label=["x"] * 60)
    found = detect(str(tmp_path / "d"), tmp_path)
    assert found.kind == "parquet"
    found.index()
    assert texts_of(found) == ["Images beside Parquet are passed over: cat/0.png, cat/1.png, cat/2.png and 3 more."]


@pytest.mark.parametrize("name", ["preview.png", "assets/preview.png"])
def test_parquet_with_a_preview_beside_it_stays_parquet(tmp_path: Path, name: str) -> None:
    write(tmp_path / "d", "data/train.parquet", label=["a", "b"])
    (tmp_path / "d" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "d" / name).write_bytes(png(1))
    found = detect(str(tmp_path / "d"), tmp_path)
    assert found.kind == "parquet"
    assert len(found.index()) == 2
    assert f"Images beside Parquet are passed over: {name}." in texts_of(found)


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
    assert notes == ["Parquet beside images is passed over: e/a.parquet. Give such a file itself to read it."]


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
    with pytest.raises(DataError, match=r"no image among its files \(b\.parquet, test\.parquet\)"):
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
    assert lost_split_warning(index, {"train": 1, "test": 1}) == []
    assert lost_split_warning(index, {"train": 1}) == [
        "No usable image is left of the source's test rows, so its split is dropped. Rows are held out by content "
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
        check_data(manifest, tmp_path)


def check_data(manifest: DataManifest, out: Path) -> None:
    location = "`forebay quarantine` lists them all"
    check_quarantine(manifest, IngestConfig(), images=10, set_aside=0, out=out, location=location)
    check_class_count(manifest, IngestConfig())


def test_a_column_name_with_a_dot_and_a_split_column_of_nulls_are_read(tmp_path: Path) -> None:
    images = pa.array([{"bytes": png(1), "path": "x"}, {"bytes": png(2), "path": "y"}])
    table = pa.table({"my.image": images, "my.label": ["a", "b"], "split": pa.nulls(2)})
    pq.write_table(table, tmp_path / "a.parquet")
    config = IngestConfig(data=str(tmp_path / "a.parquet"), label_column="my.label")
    found = detect(config.data, tmp_path, config)
    assert list(found.source_kind.read(found.index(), LIMIT)) == [png(1), png(2)]
    assert texts_of(found) == []


def test_a_pipe_beside_images_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(class_folders(tmp_path / "d") / "x.parquet")
    assert detect(str(tmp_path / "d"), tmp_path).kind == "folder"
