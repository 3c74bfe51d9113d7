"""Sources that somebody wrote: their records go the way of all others, and their mistakes are named."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, DataError
from forebay.ingest.fingerprint import source_fingerprint
from forebay.settings import IngestConfig
from forebay.settings.own_source import parse_own_source
from forebay.user_code import encode_code
from support.own_sources import DRAWN, own_source
from support.small_images import write_folder

Ingest = Callable[..., DataManifest]


def rows(out: Path) -> list[dict[str, object]]:
    return sorted(pq.read_table(out / "rows").to_pylist(), key=lambda row: row["source"])


def quarantine(out: Path) -> dict[str, tuple[str, str]]:
    return {row["source"]: (row["reason"], row["detail"]) for row in pq.read_table(out / "quarantine").to_pylist()}


def test_a_source_of_a_folders_pictures_gives_the_digest_of_that_folder(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=6)
    text = """
from pathlib import Path
class Shapes:
    def __init__(self, path):
        self.path = Path(path)
    def records(self):
        for file in self.path.rglob("*.*"):
            yield Record(file.read_bytes(), file.parent.name, id=file.name)
"""
    plain = run_ingest(tmp_path / "shapes", tmp_path / "plain", size="16x16")
    ours = run_ingest(out=tmp_path / "ours", **own_source(text, f"?path={tmp_path / 'shapes'}"), size="16x16")
    assert (ours.digest, ours.rows, ours.classes) == (plain.digest, plain.rows, plain.classes)
    assert (ours.kind, ours.name) == ("code", "shapes")
    assert re.fullmatch(r"[0-9a-f]{64}", str(ours.settings["source_code"]))


def test_files_and_pixels_and_tuples_are_records_alike(run_ingest: Ingest, tmp_path: Path) -> None:
    text = """
def Shapes():
    yield drawn(1), "a"
    yield png(2), 7
    yield Record(drawn(3)[:, :, 0], "a", id="grey")
    yield drawn(4)[:, :, :1], np.int64(7)
    yield bytearray(png(5)), "a"
"""
    manifest = run_ingest(out=tmp_path / "out", **own_source(text))
    found = rows(tmp_path / "out")
    assert [(row["source"], row["label_name"]) for row in found] == [
        ("Shapes#00000001", "a"), ("Shapes#00000002", "7"), ("Shapes#00000004", "7"), ("Shapes#00000005", "a"),
        ("grey", "a"),
    ]  # fmt: skip
    pixels = np.random.default_rng(2).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    assert found[1]["pixels"] == pixels.tobytes()
    assert (manifest.height, manifest.width, manifest.channels) == (6, 5, 3)


def test_images_that_cannot_be_used_are_quarantined_with_their_ids(run_ingest: Ingest, tmp_path: Path) -> None:
    text = """
def Shapes():
    for number in range(4):
        yield png(number), "ab"[number % 2]
    yield Record(png(0), "a", id="zz copy")
    yield Record(b"no image", "a", id="broken")
    yield Record(b"", "a", id="empty")
    yield Record(None, "a", id="missing")
    yield Record(png(9), None, id="unknown")
    yield Record(png(9), "nan", id="nan")
    yield Record(b"x" * 5000, "a", id="heavy")
    yield Record(np.zeros((40, 40), np.uint8), "a", id="large")
"""
    run_ingest(out=tmp_path / "out", **own_source(text), max_quarantine=0.9, max_file_bytes=4000, max_pixels=1000)
    found = quarantine(tmp_path / "out")
    assert found["zz copy"] == ("duplicate", "the same pixels as Shapes#00000001")
    assert found["missing"] == ("unreadable", "the record has no image")
    assert found["unknown"] == found["nan"] == ("unlabelled", "the record has no label")
    assert found["heavy"] == ("too_large", "5000 bytes, at most 4000 are read")
    assert found["large"] == ("too_large", "1600 pixels, at most 1000 are read")
    assert found["broken"][0] == found["empty"][0] == "unreadable"
    assert len(rows(tmp_path / "out")) == 4


def test_the_split_of_a_source_is_kept(run_ingest: Ingest, tmp_path: Path) -> None:
    text = """
def Shapes():
    for number in range(8):
        yield png(number), "ab"[number % 2], "test" if number >= 6 else "train"
"""
    assert run_ingest(out=tmp_path / "out", **own_source(text)).splits == {"train": 6, "test": 2}
    unknown = text.replace('"test" if', '"fold 1" if')
    manifest = run_ingest(out=tmp_path / "unknown", **own_source(unknown))
    assert manifest.splits == {}
    assert any("The source's split is dropped" in warning for warning in manifest.warnings)


def test_partitions_are_read_by_instances_of_their_own_and_give_the_same_data(
    run_ingest: Ingest, tmp_path: Path
) -> None:
    text = """
class Shapes:
    def __init__(self, parts="0"):
        self.years = list(range(int(parts))) or [0]
        self.used = 0
        if parts != "0":
            self.partitions = lambda: self.years
    def records(self, year=None):
        assert not self.used
        self.used = 1
        for number in range(12) if year is None else range(year, 12, len(self.years)):
            yield Record(png(number), "abc"[number % 3])
"""
    one = run_ingest(out=tmp_path / "one", **own_source(text))
    many = run_ingest(out=tmp_path / "many", **own_source(text, "?parts=5"))
    assert (many.digest, many.rows) == (one.digest, 12)
    assert "Shapes#2/00000001" in [row["source"] for row in rows(tmp_path / "many")]


def test_the_same_source_gives_the_same_files_whatever_the_size_of_the_parts(
    run_ingest: Ingest, tmp_path: Path
) -> None:
    text = 'def Shapes():\n    for number in range(30):\n        yield png(number % 28), "ab"[number % 2]\n'
    digests = {run_ingest(out=tmp_path / str(size), **own_source(text), part_rows=size).digest for size in (1024, 7)}
    assert len(digests) == 1


def test_a_scheme_that_no_package_brings_is_refused(run_ingest: Ingest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No installed package brings 'https' in forebay.sources"):
        run_ingest("https://example.com/pictures.tar", tmp_path / "out")


@pytest.mark.parametrize(
    ("data", "name", "options"),
    [
        ("a/shapes.py:Shapes", "a/shapes.py:Shapes", {}),
        ("shapes.py:Shapes?path=/data/a b&year=2020", "shapes.py:Shapes", {"path": "/data/a b", "year": "2020"}),
        ("club.read:Shapes?where=a%26b=c%3F", "club.read:Shapes", {"where": "a&b=c?"}),
        ("club://", "club://", {}),
        ("club:///data/x?year=1", "club://", {"path": "/data/x", "year": "1"}),
    ],
)
def test_the_name_and_the_options_of_a_source_read_back(data: str, name: str, options: dict[str, str]) -> None:
    found = parse_own_source(data)
    assert found is not None
    assert (found.name, found.options) == (name, options)
    assert parse_own_source(str(found)) == found


@pytest.mark.parametrize("data", ["digits", "photos", "/a/b.tar", "s3://b/k", "s3a://b/k", "/a/what?.tar", "three.py"])
def test_paths_and_addresses_are_no_sources_of_that_kind(data: str) -> None:
    assert parse_own_source(data) is None


def test_options_that_cannot_be_read_are_refused_when_they_are_set() -> None:
    with pytest.raises(
        ConfigError, match=r"ingest.data takes options behind \? as NAME=VALUE.* and 'year' is no such pair"
    ):
        IngestConfig(data="shapes.py:Shapes?year")
    with pytest.raises(ConfigError, match=r"and 'year=2' is given twice"):
        IngestConfig(data="shapes.py:Shapes?year=1&year=2")
    with pytest.raises(ConfigError, match=r"ingest.source_code must be empty, or the base64"):
        IngestConfig(data="shapes.py:Shapes", source_code="print()")
    with pytest.raises(ConfigError, match=r"each record of shapes.py:Shapes brings its own label. Leave ingest.labels"):
        IngestConfig(data="shapes.py:Shapes", labels="labels.csv")


def test_the_fingerprint_knows_code_options_files_and_what_the_source_says(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("[1]")
    text = """
class Shapes:
    def __init__(self, path, now="x"):
        self.now = now
    def fingerprint(self):
        return self.now
"""
    settings = own_source(text, f"?path={tmp_path / 'data.json'}")

    def now(data: str = settings["data"], code: str = settings["source_code"], ask: bool = True) -> str:
        return source_fingerprint(data, "", code, ask=ask)

    before = now()
    assert now() == before
    said = now(settings["data"] + "&now=y")
    code = now(code=encode_code(DRAWN + text + "#"))
    unasked = now(ask=False)
    (tmp_path / "data.json").write_text("[12]")
    assert len({before, said, code, unasked, now()}) == 5


def test_a_source_that_changes_while_it_is_read_is_refused(run_ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    text = """
class Shapes:
    def __init__(self, path):
        self.path = path
    def records(self):
        open(self.path, "a").write("1")
        for number in range(4):
            yield png(number), "ab"[number % 2]
"""
    with pytest.raises(DataError, match="it was changed while it was read"):
        run_ingest(out=tmp_path / "out", **own_source(text, f"?path={tmp_path / 'count'}"))
