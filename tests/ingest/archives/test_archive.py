import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from forebay.errors import DataError
from forebay.ingest.archives import open_archive
from forebay.ingest.archives.compressed import decompress_file
from forebay.ingest.detect import detect_source
from forebay.ingest.files.listing import list_files
from forebay.ingest.files.reading import read_bytes
from forebay.ingest.files.source_file import SourceFile
from forebay.settings import IngestConfig


def add(tar: tarfile.TarFile, name: str, data: bytes = b"data", **header: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in header.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def only(path: Path) -> SourceFile:
    (file,) = list_files(str(path))
    return file


def members(archive: SourceFile, work: Path) -> list[SourceFile]:
    opened = open_archive(archive, work)
    assert opened is not None
    return opened[1].files


def test_members_are_read_where_they_lie(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "./cat/2.png", b"second")
        add(tar, "cat/1.png", b"first")
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert [(file.path, read_bytes(file.uri, file.offset, file.size)) for file in found] == [
        ("cat/1.png", b"first"),
        ("cat/2.png", b"second"),
    ]


def test_long_and_foreign_names_survive(tmp_path: Path) -> None:
    long = "klasse/" + "ä" * 120 + ".png"
    for number, kind in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        path = tmp_path / f"{number}.tar"
        with tarfile.open(path, "w", format=kind) as tar:
            add(tar, long)
        assert [file.path for file in members(only(path), tmp_path)] == [long]


def test_names_that_lead_outside_links_and_devices_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "../secret.png")
        add(tar, "cat/../../secret.png")
        add(tar, "cat/soft.png", b"", type=tarfile.SYMTYPE, linkname="../secret.png")
        add(tar, "cat/hard.png", b"", type=tarfile.LNKTYPE, linkname="cat/soft.png")
        add(tar, "cat/device.png", b"", type=tarfile.CHRTYPE)
        add(tar, "cat/pipe.png", b"", type=tarfile.FIFOTYPE)
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert len(found) == 6
    assert {file.size for file in found} == {0}
    words = " ".join(file.problem for file in found)
    assert words.count("leads outside the archive") == 2
    assert words.count("a link (to ") == 2
    assert words.count("not a plain file") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "secret.png"]


def test_hidden_members_and_litter_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("cat/.hidden.png", "__MACOSX/cat/1.png", "cat/._1.png", "cat/Thumbs.db", "cat/1.png"):
            add(tar, name)
    assert [file.path for file in members(only(tmp_path / "a.tar"), tmp_path)] == ["cat/1.png"]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        for number in range(3):
            add(tar, f"cat/{number}.png", os.urandom(1500))
    data = (tmp_path / "whole.tar").read_bytes()
    (tmp_path / "whole.tar").unlink()
    return data


@pytest.mark.parametrize("kept", [0, 100, 512, 700, 2048, 2560, 6000, 6144])
def test_a_tar_cut_off_anywhere_is_refused(whole: bytes, tmp_path: Path, kept: int) -> None:
    (tmp_path / "cut.tar").write_bytes(whole[:kept])
    with pytest.raises(DataError, match=r"cut\.tar: .*(Get the file again, or pack it again)"):
        members(only(tmp_path / "cut.tar"), tmp_path)


def test_a_damaged_header_in_the_middle_is_refused_with_its_place(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(whole[:2048] + b"\xff" * 512 + whole[2560:])
    with pytest.raises(DataError, match="damaged at byte 2048"):
        members(only(tmp_path / "bad.tar"), tmp_path)


def test_a_negative_size_does_not_send_the_reader_round_in_circles(tmp_path: Path) -> None:
    info = tarfile.TarInfo("cat/1.png")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 11 + b"\x00"  # base-256: minus 256
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    (tmp_path / "loop.tar").write_bytes(info.tobuf() + bytes(block) + bytes(1024))
    with pytest.raises(DataError, match=r"not a whole tar archive|is damaged"):
        members(only(tmp_path / "loop.tar"), tmp_path)


def test_a_header_that_claims_exabytes_of_attributes_is_refused(whole: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("attributes")
    info.type, info.size = tarfile.XHDTYPE, 1 << 61
    (tmp_path / "pax.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + whole)
    with pytest.raises(DataError, match=r"pax\.tar: not a whole tar archive .*claims 2305843009213693952 bytes"):
        members(only(tmp_path / "pax.tar"), tmp_path)


def test_a_compressed_tar_reads_the_same(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(whole)
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(whole))
    (tmp_path / "c.tgz").write_bytes(gzip.compress(whole))
    contents = []
    for name in ("a.tar", "b.tar.gz", "c.tgz"):
        found = members(only(tmp_path / name), tmp_path)
        contents.append([(file.path, read_bytes(file.uri, file.offset, file.size)) for file in found])
    assert contents[0] == contents[1] == contents[2]


def test_a_gzip_that_is_cut_off_is_refused(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(DataError, match="not a whole gzip file"):
        members(only(tmp_path / "cut.tar.gz"), tmp_path)


def test_a_gzip_bomb_stops_at_the_space_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2 << 20))
    with pytest.raises(DataError, match=r"unpacks to more than \d+ bytes, the space left"):
        decompress_file(only(tmp_path / "bomb.gz"), tmp_path)


def test_absolute_names_are_read_as_tar_would(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "/data/set/cat/1.png", b"first")
        add(tar, "//data//set/dog/2.png", b"second")
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert [(file.path, read_bytes(file.uri, file.offset, file.size)) for file in found] == [
        ("data/set/cat/1.png", b"first"),
        ("data/set/dog/2.png", b"second"),
    ]


def test_a_hard_link_has_the_bytes_of_the_member_that_it_names(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "cat/1.png", b"first")
        add(tar, "./dog/2.png", b"", type=tarfile.LNKTYPE, linkname="./cat/1.png")
        add(tar, "dog/3.png", b"", type=tarfile.LNKTYPE, linkname="dog/2.png")
        add(tar, "dog/4.png", b"", type=tarfile.LNKTYPE, linkname="gone.png")
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert [(file.path, read_bytes(file.uri, file.offset, file.size), file.problem) for file in found] == [
        ("cat/1.png", b"first", ""),
        ("dog/2.png", b"first", ""),
        ("dog/3.png", b"first", ""),
        ("dog/4.png", b"", "a hard link to gone.png, which the archive does not hold"),
    ]


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tgz", "set.zip", "set.tar.xz", "set", "set.bin"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_is_what_its_first_bytes_say_whatever_it_is_called(
    whole: bytes, tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(pack(whole))
    assert [file.path for file in members(only(tmp_path / name), tmp_path)] == [
        f"cat/{number}.png" for number in range(3)
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"a\.tar\.gz: it is called \.tar\.gz and is empty\. Get the file again"),
        (b"no archive", r"is something else, which begins with 6e 6f 20 61 72 63 68 69\. Get the file again"),
        (b"7z\xbc\xaf\x27\x1c rest", r"is a 7z archive\. .*pack it again as \.tar, \.tar\.gz or \.zip"),
        (b"Rar!\x1a\x07\x00", r"is a RAR archive"),
        (b"\x28\xb5\x2f\xfd rest", r"is a Zstandard file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"is a Git LFS pointer, .*Run `git lfs pull`"),
        (b"<!DOCTYPE html><html>", r"is a web page, such as one that asks for a login"),
        (gzip.compress(b"a table, perhaps", mtime=0), r"it is called \.tar\.gz and is something else"),
    ],
)
def test_what_is_called_an_archive_and_is_none_is_said(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(DataError, match=words):
        members(only(tmp_path / "a.tar.gz"), tmp_path)


def test_a_folder_of_archives_is_read_as_folders_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for split, classes in (("train", ("cat", "dog")), ("test", ("cat",))):
        with tarfile.open(tmp_path / "set" / f"{split}.tar.gz", "w:gz") as tar:
            for name in classes:
                add(tar, f"{name}/1.png", name.encode() + split.encode())
    (tmp_path / "set" / "README.md").write_text("about")
    found = detect_source(IngestConfig(data=str(tmp_path / "set")), tmp_path)
    rows = found.index().sort_by("position").to_pylist()
    assert found.kind == "tar"
    assert [(row["source"], row["label_name"], row["split"]) for row in rows] == [
        ("test/cat/1.png", "cat", "test"),
        ("train/cat/1.png", "cat", "train"),
        ("train/dog/1.png", "dog", "train"),
    ]


def test_archives_beside_images_are_passed_over_and_named(tmp_path: Path) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "1.png").write_bytes(b"x")
    (tmp_path / "set" / "all.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    found = detect_source(IngestConfig(data=str(tmp_path / "set")), tmp_path)
    assert len(found.index()) == 1
    assert [note.text for note in found.notes] == ["Passed over as no images: 1 file (.zip (1)), such as all.zip."]
