"""Names of archive members as different programs write them, and what may lie beside archives."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from forebay.errors import DataError
from forebay.ingest.detect import DetectedSource, detect_source
from forebay.settings import IngestConfig

UTF8_FLAG = 1 << 11

Pack = Callable[[Path, Sequence[str]], Path]


def as_zip(path: Path, names: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode())
    return path


def as_tar(path: Path, names: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name.encode())
            archive.addfile(info, io.BytesIO(name.encode()))
    return path


def read(path: Path, **settings: str) -> tuple[list[tuple[str, str | None, str | None]], DetectedSource]:
    found = detect_source(IngestConfig(data=str(path), **settings), path.parent)
    rows = found.index().sort_by("position").to_pylist()
    return [(row["source"], row["label_name"], row["reason"]) for row in rows], found


@pytest.mark.parametrize("pack", [as_zip, as_tar])
def test_backslashes_and_drives_are_folders_whatever_other_members_are_like(tmp_path: Path, pack: Pack) -> None:
    names = ["C:\\set\\cat\\1.png", "C:/set/dog/2.png", "set\\cat\\3.png", "set/notes.txt"]
    rows, _ = read(pack(tmp_path / "set.bin", names))
    assert rows == [("set/cat/1.png", "cat", None), ("set/cat/3.png", "cat", None), ("set/dog/2.png", "dog", None)]


@pytest.mark.parametrize("pack", [as_zip, as_tar])
def test_a_name_that_leads_outside_is_no_folder_of_the_layout(tmp_path: Path, pack: Pack) -> None:
    names = ["set/cat/1.png", "set/dog/2.png", "../../etc/passwd", "..\\3.png"]
    rows, found = read(pack(tmp_path / "set.bin", names))
    assert rows == [
        ("../../etc/passwd", None, "unreadable"),
        ("../3.png", None, "unreadable"),
        ("set/cat/1.png", "cat", None),
        ("set/dog/2.png", "dog", None),
    ]
    assert found.notes == []


def test_names_in_utf_8_without_the_flag_are_read_as_macos_means_them(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set.zip", ["cafe\u0301/1.png", "\u732b/2.png", "tea/3.png"])
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := data.find(magic, start)) >= 0:
            flags = int.from_bytes(data[start + at : start + at + 2], "little") & ~UTF8_FLAG
            data[start + at : start + at + 2] = flags.to_bytes(2, "little")
            start += 4
    path.write_bytes(data)
    assert [label for _, label, _ in read(path)[0]] == ["cafe\u0301", "tea", "\u732b"]


def test_an_old_code_page_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("caf-/1.png", b"1")
        archive.writestr("tea/2.png", b"2")
    path.write_bytes(path.read_bytes().replace(b"caf-", b"caf\x82"))  # as DOS writes it
    assert [label for _, label, _ in read(path)[0]] == ["caf\u00e9", "tea"]


def test_a_table_beside_archives_names_their_images(tmp_path: Path) -> None:
    as_zip(tmp_path / "set" / "train.zip", ["train/1.png", "train/2.png"])
    as_zip(tmp_path / "set" / "test.zip", ["test/1.png", "test/3.png"])
    (tmp_path / "set" / "trainLabels.csv").write_text("id,label\n1,frog\n2,truck\n")
    rows, found = read(tmp_path / "set", labels="trainLabels.csv")
    assert [row[:2] for row in rows if row[1]] == [("train/train/1.png", "frog"), ("train/train/2.png", "truck")]
    assert sum(note.set_aside for note in found.notes) == 2


def test_what_lies_beside_archives_is_counted(tmp_path: Path) -> None:
    as_zip(tmp_path / "set" / "cat.zip", ["1.png"])
    as_zip(tmp_path / "set" / "dog.zip", ["2.png"])
    for name in ("README.md", "LICENSE", "cat.idx", "info.json"):
        (tmp_path / "set" / name).write_text(name)
    rows, found = read(tmp_path / "set")
    assert [label for _, label, _ in rows] == ["cat", "dog"]
    assert [note.text for note in found.notes] == [
        "Passed over as no images: 2 files (.md (1), .json (1)), such as README.md."
    ]


def test_archives_in_an_archive_are_refused_with_what_to_do(tmp_path: Path) -> None:
    inner = as_zip(tmp_path / "inner.zip", ["cat/1.png"]).read_bytes()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("train.zip", inner)
        archive.writestr("sampleSubmission.csv", b"id,label\n")
    with pytest.raises(DataError, match=r"not inside other archives: unpack the outer one, or give an archive itself"):
        read(tmp_path / "set.zip")


def test_labels_of_a_webdataset_are_read_as_those_of_a_table(tmp_path: Path) -> None:
    members = [
        ("0.jpg", b"0"),
        ("0.cls", b"1.0\n"),
        ("1.jpg", b"1"),
        ("1.json", b'{"label": 2.0}'),
        ("2.jpg", b"2"),
        ("2.json", b'{"label": NaN}'),
        ("3.jpg", b"3"),
        ("3.json", b'{"label": "cat"}'),
    ]
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    rows, found = read(tmp_path / "set.tar")
    assert found.kind == "webdataset"
    assert [label for _, label, _ in rows] == ["1", "2", None, "cat"]


def test_the_first_sample_of_a_webdataset_may_be_without_a_label(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, data in (("0.jpg", b"0"), ("0.json", b"{}"), ("1.jpg", b"1"), ("1.json", b'{"label": 7}')):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert [label for _, label, _ in read(tmp_path / "set.tar")[0]] == [None, "7"]
