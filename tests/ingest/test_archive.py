import gzip
import io
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from forebay.errors import DataError
from forebay.ingest.archive import members, unpack
from forebay.ingest.files import File, list_files, read


def add(tar: tarfile.TarFile, name: str, data: bytes = b"data", **header: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in header.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def only(path: Path) -> File:
    (file,) = list_files(str(path))
    return file


def test_members_are_read_where_they_lie(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "./cat/2.png", b"second")
        add(tar, "cat/1.png", b"first")
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert [(file.path, read(file.uri, file.offset, file.size)) for file in found] == [
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
        add(tar, str(tmp_path / "secret.png"))
        add(tar, "cat/soft.png", b"", type=tarfile.SYMTYPE, linkname="../secret.png")
        add(tar, "cat/hard.png", b"", type=tarfile.LNKTYPE, linkname="cat/soft.png")
        add(tar, "cat/device.png", b"", type=tarfile.CHRTYPE)
        add(tar, "cat/pipe.png", b"", type=tarfile.FIFOTYPE)
    found = members(only(tmp_path / "a.tar"), tmp_path)
    assert len(found) == 7
    assert {file.size for file in found} == {0}
    words = " ".join(file.problem for file in found)
    assert words.count("leads outside the archive") == 3
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
    with pytest.raises(DataError, match=r"cut\.tar: .*(Get the file again|pack it again)"):
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
        contents.append([(file.path, read(file.uri, file.offset, file.size)) for file in found])
    assert contents[0] == contents[1] == contents[2]


def test_a_gzip_cut_off_or_fake_is_refused(whole: bytes, tmp_path: Path) -> None:
    for name, data in (("cut.tar.gz", gzip.compress(whole)[:-20]), ("fake.tar.gz", b"no gzip at all")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match="not a whole gzip file"):
            members(only(tmp_path / name), tmp_path)


def test_a_gzip_bomb_stops_at_the_space_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2 << 20))
    with pytest.raises(DataError, match=r"unpacks to more than \d+ bytes, the space left"):
        unpack(only(tmp_path / "bomb.gz"), tmp_path)
