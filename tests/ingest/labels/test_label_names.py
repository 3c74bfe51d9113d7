"""Which image a line of a table names, of which split it is, and where the table lies."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import ConfigError, DataError
from forebay.ingest.detect import detect_source
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.settings import IngestConfig
from support.image_folders import in_folder

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("paths", "written", "found"),
    [
        ([f"{NFD}.png"], f"{NFC}.png", [f"{NFD}.png"]),
        ([f"{NFD}/1.png", "tea/1.png"], f"{NFC}/1.png", [f"{NFD}/1.png"]),
        ([f"{NFC}.png", f"{NFD}.png"], f"{NFD}.png", [f"{NFD}.png"]),
        (["IMG_1.JPG"], "img_1.jpg", ["IMG_1.JPG"]),
        (["Cat/1.png", "dog/1.png"], "cat/1.PNG", ["Cat/1.png"]),
        (["a.png", "A.png"], "A.png", ["A.png"]),
        (["a/1.png"], "old/1.png", ["a/1.png"]),
        (["a/1.png", "b/2.png"], "b/1.png", []),
        (["train/a/1.png", "test/b/1.png"], "train/1.png", ["train/a/1.png"]),
        (["test/1.png", "train/2.png"], "train/1.png", []),
    ],
)
def test_a_written_name_finds_its_image(paths: list[str], written: str, found: list[str]) -> None:
    assert NameMatcher(paths).find(written, "") == found


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read `photos` with a table in it: (label, split) by path, and what is said."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)

    def index(names: list[str], table: str, name: str = "l.csv", **settings: Any) -> tuple[dict[str, Any], list[str]]:
        in_folder(tmp_path / "photos", names)
        (tmp_path / "photos" / name).write_text(table)
        found = detect_source(IngestConfig(data="photos", **{"labels": name, **settings}), tmp_path / "work")
        rows = found.index().to_pylist()
        return {row["source"]: (row["label_name"], row["split"]) for row in rows}, [note.text for note in found.notes]

    return index


@pytest.mark.parametrize("name", ["trainLabels.csv", "train.csv", "labels_train.csv"])
def test_a_table_of_a_split_names_the_images_of_that_split(read: Any, name: str) -> None:
    names = [f"{side}/{number}.png" for side in ("train", "test") for number in "12"]
    found, _ = read(names, "id,label\n1,frog\n2,truck\n", name)
    assert {path: label for path, (label, _) in found.items()} == {
        "train/1.png": "frog", "train/2.png": "truck", "test/1.png": None, "test/2.png": None,
    }  # fmt: skip


def test_the_split_of_a_line_tells_images_of_one_name_apart(read: Any) -> None:
    names = [f"{side}/{number}.png" for side in ("train", "test") for number in "12"]
    table = "id,label,split\n1,a,train\n2,b,train\n1,c,test\n2,d,test\n"
    assert read(names, table)[0] == {
        "train/1.png": ("a", "train"), "train/2.png": ("b", "train"),
        "test/1.png": ("c", "test"), "test/2.png": ("d", "test"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "words", "splits", "said"),
    [
        ("split", ("train", "train"), (None, None),
         "The source's split is dropped: it names only train rows (such as 1.png), and a split needs training rows and "
         "held-out rows. Rows are held out by content instead (preprocess.holdout)."),
        ("split", ("A", "B"), (None, None),
         "The source's split is dropped: 'A', 'B' (such as in 1.png) stands for none of training, validation and test "
         "rows. Rows are held out by content instead (preprocess.holdout)."),
        ("Usage", ("Training", "PublicTest"), ("train", "test"), None),
        ("fold", ("0", "1"), (None, None), None),
    ],
)  # fmt: skip
def test_a_split_that_is_dropped_is_said(
    read: Any, column: str, words: tuple[str, str], splits: tuple[str | None, str | None], said: str | None
) -> None:
    found, notes = read(["1.png", "2.png"], f"id,label,{column}\n1,x,{words[0]}\n2,y,{words[1]}\n")
    assert [split for _, split in found.values()] == list(splits)
    assert notes == ([said] if said else [])


def test_the_choice_between_columns_of_labels_is_said(read: Any) -> None:
    table = "id,label,class_name\n1,0,cat\n2,1,dog\n"
    found, notes = read(["1.png", "2.png"], table)
    assert [label for label, _ in found.values()] == ["0", "1"]
    assert notes == ["The classes are taken from label, not from class_name; ingest.label_column says otherwise."]
    assert read([], table, label_column="class_name")[1] == []


def test_a_list_in_json_is_a_table(read: Any) -> None:
    table = '[{"file": "1.png", "label": "cat"},\n {"file": "2.png", "label": null}]'
    assert read(["1.png", "2.png"], table, "l.json")[0] == {"1.png": ("cat", None), "2.png": (None, None)}


def test_a_table_of_the_source_may_be_named_from_the_working_folder(read: Any) -> None:
    names = ["train/1.png", "train/2.png", "test/1.png"]
    in_folder(Path("photos"), names)
    found, _ = read(names, "id,label\n1,x\n2,y\n", "train/list.csv", labels="photos/train/list.csv")
    assert found == {"train/1.png": ("x", None), "train/2.png": ("y", None), "test/1.png": (None, None)}


def packed(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_table_in_an_archive_is_named_as_it_lies_there(tmp_path: Path) -> None:
    table = ("birds/labels.csv", b"file,label\n1,owl\n2,jay\n")
    archive = packed(tmp_path / "birds.zip", ("birds/1.png", b"1"), ("birds/2.png", b"2"), table)
    for labels in ("labels.csv", "birds/labels.csv"):
        assert source_fingerprint(str(archive), labels) == source_fingerprint(str(archive))
        rows = detect_source(IngestConfig(data=str(archive), labels=labels), tmp_path).index()
        assert sorted(rows["label_name"].to_pylist()) == ["jay", "owl"]


def test_a_name_that_two_tables_of_the_source_have_is_refused(tmp_path: Path) -> None:
    names = ["a/labels.csv", "b/labels.csv", "a/1.png"]
    archive = packed(tmp_path / "set.zip", *((name, io.BytesIO(name.encode()).read()) for name in names))
    with pytest.raises(DataError, match=r"is the name of 2 files of the source \(a/labels\.csv, b/labels\.csv\)"):
        detect_source(IngestConfig(data=str(archive), labels="labels.csv"), tmp_path).index()


def test_a_table_that_is_nowhere_is_wrong_use_before_the_step(tmp_path: Path) -> None:
    in_folder(tmp_path / "p", ["cat/1.png", "dog/2.png"])
    with pytest.raises(ConfigError, match=r"ingest\.labels: there is nothing at .*gone\.csv"):
        source_fingerprint(str(tmp_path / "p"), "gone.csv")
