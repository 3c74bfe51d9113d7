"""Labels in tables, in a Hugging Face `imagefolder`, and in WebDataset's tars."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import ConfigError, DataError
from forebay.ingest.detect import detect_source
from forebay.settings import IngestConfig
from support.image_folders import in_folder

IMAGES = ("a/1.png", "a/2.png", "b/3.png")


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read `photos` with a table: labels by path, and what is said."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)

    def index(*names: str, tables: dict[str, str | bytes], **settings: Any) -> tuple[dict[str, Any], list[str]]:
        in_folder(tmp_path / "photos", names)
        for name, text in tables.items():
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        found = detect_source(IngestConfig(data="photos", **settings), tmp_path / "work")
        rows = found.index().to_pylist()
        assert found.kind == "labels"
        return {row["source"]: (row["label_name"], row["split"]) for row in rows}, [note.text for note in found.notes]

    return index


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na/1.png,cat\na/2.png,dog\nb/3.png,cat\n",
        "label;filename\ncat;a/1.png\ndog;a/2.png\ncat;b/3.png\n",
        "id\tbreed\n1\tcat\n2\tdog\n3\tcat\n",
        "Image_ID,Class,more\n1.png,cat,x\n2.png,dog,y\n3.png,cat,\n",
        "path,category\n./photos/a/1.png,cat\ndata\\photos\\a\\2.png,dog\n/home/me/photos/b/3.png,cat\n",
        "\ufefffile_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n",
        "file_name,label\r\n1.png,cat\r\n2.png,dog\r\n3.png,cat\r\n\r\n",
        "file_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n".encode("utf-16"),
        '"name","label"\n"1.png","cat"\n"2.png","dog"\n"3.png","cat"\n',
        "sep=;\nfile;label\n1.png;cat\n2.png;dog\n3.png;cat\n",
        "\n\nfile,label\n1.png,cat\n2.png,dog\n,\n3.png,cat\n",
        "file label\na/1.png cat\na/2.png dog\nb/3.png cat\n",
        "Width,ClassId,Path\n1,cat,a/1.png\n1,dog,a/2.png\n1,cat,b/3.png\n",
        "Image Index,Finding Labels\n1.png,cat\n2.png,dog\n3.png,cat\n",
        "id_code,Class Label\n1,cat\n2,dog\n3,cat\n",
        "file,label\nA/1.PNG,cat\nA/2.PNG,dog\nB/3.PNG,cat\n",
    ],
)
def test_tables_as_people_write_them_give_the_same_labels(read: Any, text: str | bytes) -> None:
    found, notes = read(*IMAGES, tables={"photos/labels.csv": text}, labels="labels.csv")
    assert found == {"a/1.png": ("cat", None), "a/2.png": ("dog", None), "b/3.png": ("cat", None)}
    assert notes == []


def test_json_lines_are_a_table(read: Any) -> None:
    lines = [{"file_name": name, "label": index} for index, name in enumerate(IMAGES)]
    table = "\n".join(map(json.dumps, lines))
    assert read(*IMAGES, tables={"photos/x.jsonl": table}, labels="x.jsonl")[0]["b/3.png"] == ("2", None)


def test_a_table_may_lie_elsewhere_and_is_then_read_below_the_source(read: Any) -> None:
    found, _ = read(*IMAGES, tables={"elsewhere.csv": "file,label\n1,x\n2,y\n3,z\n"}, labels="elsewhere.csv")
    assert [label for label, _ in found.values()] == ["x", "y", "z"]


def test_whole_floats_are_integers_and_what_is_missing_is_unlabelled(read: Any) -> None:
    table = "file,label\n1,1.0\n2,nan\n3,\n"
    found, _ = read(*IMAGES, tables={"photos/l.csv": table}, labels="l.csv")
    assert [label for label, _ in found.values()] == ["1", None, None]


def test_other_columns_are_taken_where_the_settings_name_them(read: Any) -> None:
    table = "file,label,uuid,colour\nx,y,1,red\nx,y,2,blue\nx,y,3,red\n"
    found, _ = read(*IMAGES, tables={"photos/l.csv": table}, labels="l.csv", image_column="uuid", label_column="colour")
    assert [label for label, _ in found.values()] == ["red", "blue", "red"]


def test_a_column_of_splits_is_the_own_split(read: Any) -> None:
    table = "file,label,subset\n1,x,Training\n2,y,Testing\n3,x,Training\n"
    found, _ = read(*IMAGES, tables={"photos/l.csv": table}, labels="l.csv")
    assert [split for _, split in found.values()] == ["train", "test", "train"]


def test_folders_are_the_split_where_the_table_has_none(read: Any) -> None:
    names = ("train/1.png", "train/2.png", "test/3.png", "test/4.png")
    found, notes = read(*names, tables={"photos/train.csv": "id,label\n1,x\n2,y\n3,x\n"}, labels="train.csv")
    assert found == {
        "train/1.png": ("x", "train"),
        "train/2.png": ("y", "train"),
        "test/3.png": ("x", "test"),
        "test/4.png": (None, None),
    }
    assert notes == ["Unlabelled, because no line of train.csv names them: 1 image, such as test/4.png."]


def test_a_split_folder_without_any_label_is_set_aside(tmp_path: Path) -> None:
    in_folder(tmp_path / "p", ("train/1.png", "train/2.png", "test/3.png", "test/4.png", "train/5.png"))
    (tmp_path / "p" / "train.csv").write_text("id,label\n1,x\n2,y\n")
    found = detect_source(IngestConfig(data=str(tmp_path / "p"), labels="train.csv"), tmp_path)
    found.index()
    assert [note.set_aside for note in found.notes] == [2]


def test_lines_without_an_image_are_counted_and_named(read: Any) -> None:
    table = "file,label\n1,x\n2,y\n3,x\n7.png,x\n8.png,y\n"
    assert read(*IMAGES, tables={"photos/l.csv": table}, labels="l.csv")[1] == [
        "2 of 5 lines of l.csv name no image: 7.png (line 5), 8.png (line 6)."
    ]


@pytest.mark.parametrize(
    ("names", "table", "words"),
    [
        (
            IMAGES,
            "file,label\nx.png,cat\n",
            r"l\.csv: none of its 1 lines names an image of the source\. Its column 'file' holds 'x\.png'; the "
            r"images are a/1\.png, a/2\.png, b/3\.png",
        ),
        (
            IMAGES,
            "file,label\n1.png,cat\n1.png,dog\n",
            r"l\.csv, line 3: '1\.png' has the label 'dog' here and 'cat' in a line before",
        ),
        (
            ("a/1.png", "b/1.png"),
            "file,label\n1.png,cat\n",
            r"l\.csv, line 2: '1\.png' is the name of 2 images \(a/1\.png, b/1\.png\)",
        ),
        (
            IMAGES,
            "one,two\n1,2\n",
            r"l\.csv: no column has a usual name for the file of an image: one, two\. .* or set ingest\.image_column",
        ),
        (
            IMAGES,
            "file,two\n1,2\n",
            r"no column has a usual name for the label of an image: file, two\. .* or set ingest\.label_column",
        ),
        (IMAGES, "", r"no column has a usual name for the file of an image: there is none"),
        (IMAGES, "file,label\n", r"l\.csv: it has no line that names an image"),
        (
            IMAGES,
            "1.png,cat\n2.png,dog\n",
            r"l\.csv: its first line names an image, not the columns: 1\.png, cat\. Write a line with the names of "
            r"the columns above it, such as file_name,label\.",
        ),
        (
            IMAGES,
            'file,label\n1.png,"cat\n2.png,dog\n3.png,cat\n',
            r"l\.csv, line 2: a cell goes over several lines; it begins 'cat'\. Close its quote",
        ),
        (IMAGES, "PK\x03\x04", r"l\.csv: it is no text: an Excel workbook, an archive or the like\. Save it as CSV"),
        (IMAGES, "file,label\n1,c\0at\n", r"l\.csv: it is no text"),
        (
            IMAGES,
            "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            r"l\.csv: it is a Git LFS pointer, .*\. Run `git lfs pull` in its folder",
        ),
        (IMAGES, "<!DOCTYPE html><html>", r"l\.csv: it is a web page"),
        (
            IMAGES,
            ",".join(f"c{number}" for number in range(1000)) + "\n1\n",
            r"for the file of an image: c0, .*, c19 and 980 more\.",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_line_and_column(
    read: Any, names: tuple[str, ...], table: str, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read(*names, tables={"photos/l.csv": table}, labels="l.csv")


def test_a_column_that_is_not_there_and_a_table_that_is_not_there_are_named(read: Any) -> None:
    with pytest.raises(
        DataError, match=r"it has no column 'kind'; its columns are file, label\. Set ingest\.label_column"
    ):
        read(*IMAGES, tables={"photos/l.csv": "file,label\n1,x\n"}, labels="l.csv", label_column="kind")
    with pytest.raises(
        DataError, match=r"photos/b: ingest\.labels must name one table of labels, and this is a folder"
    ):
        read(*IMAGES, tables={}, labels="photos/b")
    with pytest.raises(ConfigError, match=r"ingest\.labels: there is nothing at .*gone\.csv"):
        read(*IMAGES, tables={}, labels="gone.csv")


def test_hugging_faces_imagefolder_brings_its_tables(read: Any) -> None:
    tables: dict[str, str | bytes] = {
        "photos/train/metadata.csv": "file_name,label\n1.png,cat\nsub/2.png,dog\n",
        "photos/test/metadata.jsonl": '{"file_name": "1.png", "label": "cat"}\n',
    }
    found, notes = read("train/1.png", "train/sub/2.png", "test/1.png", tables=tables)
    assert found == {
        "train/1.png": ("cat", "train"),
        "train/sub/2.png": ("dog", "train"),
        "test/1.png": ("cat", "test"),
    }
    assert notes == []


def test_captions_leave_the_classes_to_the_folders(tmp_path: Path) -> None:
    in_folder(tmp_path / "p", ("cat/1.png", "dog/2.png"))
    (tmp_path / "p" / "metadata.csv").write_text("file_name,text\ncat/1.png,a cat\n")
    found = detect_source(IngestConfig(data=str(tmp_path / "p")), tmp_path)
    assert (found.index()["label_name"].to_pylist(), found.kind) == (["cat", "dog"], "folder")


# --- WebDataset


def shard(path: Path, *samples: tuple[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in samples:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_a_webdataset_gives_classes_from_cls_and_splits_from_the_names_of_its_tars(tmp_path: Path) -> None:
    for name, first in (("train-000000", 0), ("train-000001", 2), ("val-000000", 4)):
        samples = [(f"{number:06d}.{kind}", data) for number in (first, first + 1)
                   for kind, data in (("jpg", b"p%d" % number), ("cls", b"%d\n" % (number % 2)))]  # fmt: skip
        shard(tmp_path / "set" / f"{name}.tar", *samples)
    found = detect_source(IngestConfig(data=str(tmp_path / "set")), tmp_path)
    rows = found.index().sort_by("position")
    assert (found.kind, found.notes) == ("webdataset", [])
    assert rows["label_name"].to_pylist() == ["0", "1"] * 3
    assert rows["split"].to_pylist() == ["train"] * 4 + ["test"] * 2
    assert list(found.source_kind.read(rows, 1 << 20)) == [b"p%d" % number for number in range(6)]


def test_a_webdataset_may_hold_its_labels_in_json_and_more_beside(tmp_path: Path) -> None:
    samples = [("x/1.png", b"one"), ("x/1.seg.png", b"mask"), ("x/1.json", b'{"label": "cat", "width": 2}'),
               ("x/2.png", b"two"), ("x/2.json", b'{"width": 2}'), ("x/3.jpg", b"three")]  # fmt: skip
    shard(tmp_path / "set.tar", *[(name.removeprefix("x/"), data) for name, data in samples])
    found = detect_source(IngestConfig(data=str(tmp_path / "set.tar")), tmp_path)
    rows = found.index().sort_by("position").to_pylist()
    assert found.kind == "webdataset"
    assert [(row["source"], row["label_name"], row["reason"]) for row in rows] == [
        ("1.png", "cat", None), ("2.png", None, "unlabelled"), ("3.jpg", None, "unlabelled"),
    ]  # fmt: skip


def test_captions_in_json_beside_class_folders_make_no_webdataset(tmp_path: Path) -> None:
    shard(tmp_path / "set.tar", ("cat/1.png", b"x"), ("cat/1.json", b'{"label": "z"}'), ("dog/2.png", b"y"))
    found = detect_source(IngestConfig(data=str(tmp_path / "set.tar")), tmp_path)
    assert (found.kind, found.index()["label_name"].to_pylist()) == ("tar", ["cat", "dog"])
