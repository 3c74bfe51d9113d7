"""`forebay predict --out` as a person gives it: what it prints, and what it refuses with which words."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.forebay_command import ForebayHere


@pytest.fixture
def forebay(tmp_path: Path, spark: object) -> ForebayHere:
    """The command, in this process and its Spark session."""
    return ForebayHere(tmp_path)


def test_a_batch_says_what_it_wrote_how_fast_and_what_it_left_out(
    forebay: ForebayHere, bundles: Path, photos: Path
) -> None:
    words = ("predict", photos, "--name", bundles / "grey", "--out", "p.csv", "--top", "2")
    said = dict(line.split(maxsplit=1) for line in forebay(*words).stdout.splitlines())
    assert said["rows"] == "28 of 31 images"
    assert "images/s in " in said["speed"]
    assert " s, after a start of " in said["speed"]
    assert said["quarantined"] == "3 unreadable  (p.quarantine.csv)"
    assert (said["model"], said["out"]) == ("grey", "p.csv")
    facts = forebay.json(*words)
    assert (facts["rows"], facts["images"], facts["quarantined"]) == (28, 31, {"unreadable": 3})
    assert (facts["out"], facts["quarantine"]) == ("p.csv", "p.quarantine.csv")
    assert facts["images_per_s"] > 0
    assert facts["warnings"] == ["Passed over as no images: 1 file (.txt (1)), such as notes.txt."]


def test_without_quarantined_images_an_earlier_table_of_them_goes(
    forebay: ForebayHere, bundles: Path, photos: Path
) -> None:
    words = ("--name", bundles / "grey", "--out", "p.parquet")
    forebay("predict", photos / "b", *words)
    assert (forebay.folder / "p.quarantine.parquet").exists()
    facts = forebay.json("predict", photos / "000.png", *words)
    assert facts["quarantine"] is None
    assert sorted(path.name for path in forebay.folder.glob("p.*")) == ["p.parquet"]


def test_wrong_words_are_refused_before_anything_is_read(forebay: ForebayHere, bundles: Path, photos: Path) -> None:
    model = ("--name", bundles / "grey")
    pq.write_table(pa.table({"a": [1]}), forebay.folder / "mine.parquet")
    (forebay.folder / "mine.csv").write_text("a,b\n")
    (forebay.folder / "others.csv.parts").mkdir()
    (forebay.folder / "others.csv.parts" / "precious").touch()
    for words, said in (
        ((photos, *model, "--out", "p.xlsx"), "ends with neither .parquet nor .csv"),
        ((photos, *model, "--out", "mine.parquet"), "is there, and no batch prediction wrote it"),
        ((photos, *model, "--out", "mine.csv"), "is there, and no batch prediction wrote it"),
        ((photos, *model, "--out", "nowhere/p.csv"), "there is no folder"),
        ((photos, *model, "--out", photos / "p.csv"), "lies in"),
        ((photos, *model, "--out", "p.csv", "--top", "0"), "--top must be at least 1, got 0"),
        ((photos, *model, "--out", "p.csv", "--url", "http://x"), "a batch (--out) loads the model itself"),
        ((photos, *model, "--out", "p.csv", "--set", "ingest.size=8x8"), "the model decides how images are prepared"),
        ((photos, "--name", "absent", "--out", "p.csv"), "absent"),
        ((photos, "--out", "p.csv"), "name one with --name"),
        (("absent", *model, "--out", "p.csv"), "There is nothing at absent"),
        (("mine.py:Source", *model, "--out", "p.csv"), "names code of your own"),
        ((photos, *model, "--out", "others.csv"), "no batch prediction wrote it"),
        ((photos, photos), "need --out FILE.parquet or FILE.csv"),
        ((photos / "000.png", "--top", "3"), "need --out"),
        ((photos,), "is a directory"),
    ):
        assert said in " ".join(forebay("predict", *words, expect=2).stderr.split()), words
    assert sorted(path.name for path in forebay.folder.glob("*p.*")) == []
    assert (forebay.folder / "others.csv.parts" / "precious").exists()


def test_sources_without_a_usable_image_are_told_with_what_is_there(
    forebay: ForebayHere, bundles: Path, photos: Path
) -> None:
    (forebay.folder / "texts").mkdir()
    (forebay.folder / "texts" / "a.txt").write_text("a")
    (forebay.folder / "empty").mkdir()
    pq.write_table(pa.table({"a": [1]}), forebay.folder / "numbers.parquet")
    for source, said in (
        ("texts", "no image among its files (a.txt)"),
        ("empty", "it holds no files"),
        ("numbers.parquet", "no column holds images"),
        (photos / "b" / "cut.png", "none of 1 image can be used. The first: "),
    ):
        words = ("predict", source, "--name", bundles / "grey", "--out", "p.csv")
        assert said in " ".join(forebay(*words, "--json", expect=1).stderr.split()), source
        assert not (forebay.folder / "p.csv").exists()


def test_a_column_of_images_can_be_named(forebay: ForebayHere, bundles: Path, photos: Path) -> None:
    images = [path.read_bytes() for path in sorted(photos.glob("0*.png"))]
    pq.write_table(pa.table({"image": images[::-1], "scan": images}), forebay.folder / "two.parquet")
    words = ("predict", "two.parquet", "--name", bundles / "grey")
    forebay(*words, "--out", "first.parquet")
    forebay(*words, "--out", "second.parquet", "--set", "ingest.image_column=scan")
    first, second = (
        pq.read_table(forebay.folder / name)["sha256"].to_pylist() for name in ("first.parquet", "second.parquet")
    )
    assert first == second[::-1] != second
