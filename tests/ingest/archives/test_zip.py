"""Zip archives: read in place, to no more than announced, never outside, and damaged ones by name."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.errors import DataError
from forebay.images import UnusableImageError
from forebay.ingest.archives import open_archive
from forebay.ingest.archives.zip_content import seekable_file
from forebay.ingest.detect import detect_source
from forebay.ingest.files.listing import list_files
from forebay.ingest.files.reading import read_file
from forebay.ingest.files.source_file import SourceFile
from forebay.settings import IngestConfig

TEXT = b"a picture, more or less " * 40
LIMIT = 1 << 20


def packed(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def members(path: Path) -> list[SourceFile]:
    (archive,) = list_files(str(path))
    opened = open_archive(archive, path.parent)
    assert opened is not None
    assert opened[0] == "zip"
    return opened[1].files


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_where_they_lie(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path / "a.zip", ("cat/1.png", TEXT), ("dog/2.png", b"second"), method=method)
    assert [(file.path, read_file(file)) for file in members(path)] == [("cat/1.png", TEXT), ("dog/2.png", b"second")]
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_images_of_a_zip_reach_a_task_unpacked(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip", ("cat/1.png", TEXT), ("dog/2.png", b"second"))
    found = detect_source(IngestConfig(data=str(tmp_path / "a.zip")), tmp_path)
    assert found.kind == "zip"
    assert list(found.source_kind.read(found.index(), LIMIT)) == [TEXT, b"second"]


def test_a_member_larger_than_the_limit_is_not_unpacked(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip", ("cat/bomb.png", bytes(4 * LIMIT)), ("dog/2.png", b"second"))
    found = detect_source(IngestConfig(data=str(tmp_path / "a.zip")), tmp_path)
    bomb, small = found.source_kind.read(found.index(), LIMIT)
    assert (isinstance(bomb, UnusableImageError), small) == (True, b"second")
    assert str(bomb) == f"too_large: {4 * LIMIT} bytes, at most {LIMIT} are read"


def test_a_member_that_is_larger_than_announced_is_never_unpacked_beyond(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("cat/1.png", bytes(4 * LIMIT)), ("dog/2.png", b"second"))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 4 * LIMIT), struct.pack("<L", 100)))
    found = detect_source(IngestConfig(data=str(path)), tmp_path)
    lying, small = found.source_kind.read(found.index(), LIMIT)
    assert (str(lying), small) == ("unreadable: its zip member has 101 bytes, 100 are announced", b"second")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("cat/1.png", TEXT), ("dog/2.png", b"second"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"more or less", b"more or l3ss", 1))
    found = detect_source(IngestConfig(data=str(path)), tmp_path)
    damaged, _ = found.source_kind.read(found.index(), LIMIT)
    assert str(damaged) == "unreadable: its zip member is damaged: the checksum differs"


def test_names_that_lead_outside_links_and_locked_members_are_never_read(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../secret.png", b"x")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("dog/locked.png", b"x")
        archive.writestr(zipfile.ZipInfo("dog/odd.png"), b"x" * 500, compress_type=zipfile.ZIP_BZIP2)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    entry = data.rfind(b"dog/locked.png") - 46
    data[entry + 8] |= 1
    (tmp_path / "a.zip").write_bytes(bytes(data))
    assert {file.path: file.problem for file in members(tmp_path / "a.zip")} == {
        "../secret.png": "its name leads outside the archive",
        "cat/link.png": "a link, which is not followed",
        "dog/locked.png": "it is encrypted; pack the archive again without a password",
        "dog/odd.png": "packed by the method bzip2, which is not read; pack the archive again with the usual one "
        "(deflate)",
    }


@pytest.mark.parametrize("name", ["/data/set/cat/1.png", "C:\\data\\set\\cat\\1.png", "data\\set\\cat\\1.png"])
def test_absolute_names_and_those_of_windows_are_names_inside(tmp_path: Path, name: str) -> None:
    assert [file.path for file in members(packed(tmp_path / "a.zip", (name, b"x")))] == ["data/set/cat/1.png"]


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("cat/1.png", TEXT), ("cat/2.png", TEXT))
    data = bytearray(path.read_bytes())
    second = data.rfind(b"cat/2.png") - 46
    data[second + 42 : second + 46] = bytes(4)  # the second member begins where the first does
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a\.zip: its member 'cat/\d\.png' overlaps another one"):
        members(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_zips_are_refused_or_read_never_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(packed(tmp_path / "a.zip", ("cat/1.png", TEXT), ("dog/2.png", b"second")).read_bytes())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[place] = value
    (tmp_path / "a.zip").write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        found = detect_source(IngestConfig(data=str(tmp_path / "a.zip")), tmp_path)
        images = list(found.source_kind.read(found.index(), LIMIT))
    except DataError:
        return
    assert all(isinstance(image, bytes | UnusableImageError) for image in images)


def test_mnist_in_a_zip_is_read_as_in_a_folder(tmp_path: Path) -> None:
    images = struct.pack(">IIII", 0x803, 2, 2, 2) + bytes(range(8))
    labels = struct.pack(">II", 0x801, 2) + bytes([7, 1])
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        names = (("m/train-images.idx3-ubyte", images), ("m/train-labels.idx1-ubyte", labels))
        packed(tmp_path / "m.zip", *names, method=method)
        found = detect_source(IngestConfig(data=str(tmp_path / "m.zip")), tmp_path)
        index = found.index()
        assert (found.kind, index["label_name"].to_pylist()) == ("idx", ["7", "1"])
        assert [image.ravel().tolist() for image in found.source_kind.read(index, LIMIT)] == [
            [0, 1, 2, 3],
            [4, 5, 6, 7],
        ]


def test_a_stored_member_is_not_copied(tmp_path: Path) -> None:
    (file,) = members(packed(tmp_path / "a.zip", ("x.bin", TEXT), method=zipfile.ZIP_STORED))
    found = seekable_file(file, tmp_path)
    assert (found.uri, found.zipped_bytes) == (file.uri, 0)
    assert read_file(found) == TEXT


def test_a_zip_in_a_gzip_is_opened_as_well(tmp_path: Path) -> None:
    import gzip

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("cat/1.png", TEXT)
    (tmp_path / "a.zip.gz").write_bytes(gzip.compress(buffer.getvalue()))
    assert [file.path for file in members(tmp_path / "a.zip.gz")] == ["cat/1.png"]
