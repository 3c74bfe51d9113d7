"""The whole step on a real Spark session."""

import hashlib
import io
import json
import os
import random
import struct
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import QUARANTINE_REASONS, QUARANTINE_SCHEMA, ROW_SCHEMA, pixel_digest
from forebay.errors import DataError
from forebay.ingest import ingest
from forebay.settings import IngestConfig
from forebay.state import StepLog, is_sealed
from forebay.state.events import read_events
from support.s3_server import S3Store
from support.small_images import draw, plant_bad_files, write_folder, write_idx

Ingest = Callable[..., DataManifest]


def rows_of(out: Path) -> list[dict[str, Any]]:
    table = ds.dataset(out / "rows", format="parquet").to_table()
    assert table.schema.equals(ROW_SCHEMA)
    return table.to_pylist()  # type: ignore[no-any-return]


def quarantine_of(out: Path) -> list[dict[str, Any]]:
    files = sorted((out / "quarantine").glob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    assert all(table.schema.equals(QUARANTINE_SCHEMA) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def warnings_of(log: StepLog) -> list[str]:
    assert log.events is not None
    return [event["text"] for event in read_events(log.events)[0] if event["kind"] == "warning"]


def test_a_folder_with_planted_bad_files_keeps_the_good_and_names_the_bad(
    run_ingest: Ingest, tmp_path: Path, steplog: StepLog
) -> None:
    write_folder(tmp_path / "shapes")
    planted = plant_bad_files(tmp_path / "shapes")
    manifest = run_ingest(tmp_path / "shapes", tmp_path / "out")
    assert manifest.quarantined == planted
    assert (manifest.kind, manifest.name, manifest.rows) == ("folder", "shapes", 120)
    assert (manifest.height, manifest.width, manifest.channels) == (12, 12, 1)
    assert manifest.class_rows == {"cross": 60, "ring": 60}
    assert manifest.sizes == {"12x12": 105, "20x20": 18}
    assert manifest == DataManifest.read(tmp_path / "out")
    assert is_sealed(tmp_path / "out")
    assert not list((tmp_path / "out").glob(".work-*"))
    assert manifest.warnings == [
        "6 of 126 images are quarantined: 2 conflicting_labels, 1 duplicate, 3 unreadable. The first: "
        "cross/empty.png: the file is empty; cross/zz-two-labels.png: the same pixels occur under several labels, "
        "first at cross/zz-two-labels.png; cross/zz-duplicate.png: the same pixels as cross/001.png. "
        "Suffixes: .png (6). "
        f"`forebay quarantine {steplog.run_id}` lists them all."
    ]
    assert warnings_of(steplog) == manifest.warnings
    assert {row["source"]: (row["label_name"], row["reason"]) for row in quarantine_of(tmp_path / "out")} == {
        "cross/empty.png": ("cross", "unreadable"),
        "cross/truncated.png": ("cross", "unreadable"),
        "cross/zz-duplicate.png": ("cross", "duplicate"),
        "cross/zz-two-labels.png": ("cross", "conflicting_labels"),
        "ring/text.png": ("ring", "unreadable"),
        "ring/zz-two-labels.png": ("ring", "conflicting_labels"),
    }
    details = {row["source"]: row["detail"] for row in quarantine_of(tmp_path / "out")}
    assert details["cross/empty.png"] == "the file is empty"
    assert details["cross/zz-duplicate.png"] == "the same pixels as cross/001.png"
    for place in ("cross/zz-two-labels.png", "ring/zz-two-labels.png"):
        assert details[place] == "the same pixels occur under several labels, first at cross/zz-two-labels.png"


def test_every_row_holds_what_the_contract_says(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    manifest = run_ingest(tmp_path / "shapes", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == manifest.rows == 20
    for row in rows:
        assert len(row["pixels"]) == row["height"] * row["width"] * row["channels"]
        sha256 = pixel_digest(row["pixels"], row["height"], row["width"], row["channels"]).hex()
        assert (row["sha256"], row["id"]) == (sha256, sha256[:16])
        assert manifest.classes[row["label"]] == row["label_name"] == row["source"].split("/")[0]
        assert row["split"] is None
    original = {row["source"]: row["pixels"] for row in rows}["ring/003.png"]
    assert original == draw("ring", 3).tobytes()


def test_the_result_depends_on_neither_parts_nor_order_nor_path_nor_packing(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=20)
    plant_bad_files(tmp_path / "shapes")
    names = [path.relative_to(tmp_path / "shapes") for path in (tmp_path / "shapes").rglob("*.png")]
    random.Random(3).shuffle(names)
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tar:
        for name in names:
            tar.add(tmp_path / "shapes" / name, f"./somewhere/else/{name}")
    whole = run_ingest(tmp_path / "shapes", tmp_path / "whole", max_quarantine=0.5)
    again = run_ingest(tmp_path / "shapes", tmp_path / "again", max_quarantine=0.5)
    packed = run_ingest(tmp_path / "packed.tar.gz", tmp_path / "packed", part_rows=7, max_quarantine=0.5)
    assert len(list((tmp_path / "packed" / "rows").iterdir())) == 7
    assert whole.digest == packed.digest == again.digest
    assert whole.quarantined == packed.quarantined
    assert files_of(tmp_path / "whole" / "rows") == files_of(tmp_path / "again" / "rows")
    assert {row["sha256"]: row["label"] for row in rows_of(tmp_path / "whole")} == {
        row["sha256"]: row["label"] for row in rows_of(tmp_path / "packed")
    }


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_another_label_gives_another_digest(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "a", per_class=10)
    before = run_ingest(tmp_path / "a", tmp_path / "out")
    (tmp_path / "a" / "ring").rename(tmp_path / "a" / "circle")
    after = run_ingest(tmp_path / "a", tmp_path / "out")
    assert before.digest != after.digest
    assert after.classes == ["circle", "cross"]


def test_another_size_is_quarantined_where_so_set(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=20)
    manifest = run_ingest(tmp_path / "shapes", tmp_path / "out", on_size="quarantine", max_quarantine=0.2)
    assert manifest.quarantined == {"mis_sized": 6}
    assert {row["detail"] for row in quarantine_of(tmp_path / "out")} == {"20x20, not 12x12"}


def test_size_and_channels_as_set_are_what_is_stored(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    manifest = run_ingest(tmp_path / "shapes", tmp_path / "out", size="5x9", channels="3")
    assert (manifest.height, manifest.width, manifest.channels) == (5, 9, 3)
    assert {len(row["pixels"]) for row in rows_of(tmp_path / "out")} == {5 * 9 * 3}
    assert manifest.settings["size"] == "5x9"


def test_a_wrong_guess_from_the_sample_is_mended(run_ingest: Ingest, tmp_path: Path) -> None:
    """200 images, of which the sample sees every third: those are small and grey, all the others large and colour."""
    sampled = set(np.linspace(0, 199, 64).astype(int).tolist())
    for row in range(200):
        folder = tmp_path / "d" / ("even" if row < 100 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        grey = draw("ring", row, 4, 4) if row in sampled else draw("ring", row, 6, 6)
        image = Image.fromarray(grey)
        (image if row in sampled else image.convert("RGB")).save(folder / f"{row:03d}.png")
    manifest = run_ingest(tmp_path / "d", tmp_path / "out")
    assert manifest.sizes == {"4x4": 64, "6x6": 136}
    assert (manifest.height, manifest.width, manifest.channels) == (6, 6, 3)
    assert {len(row["pixels"]) for row in rows_of(tmp_path / "out")} == {6 * 6 * 3}


def test_too_much_quarantine_fails_says_why_and_leaves_the_table_to_look_at(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    plant_bad_files(tmp_path / "shapes")
    with pytest.raises(DataError) as caught:
        run_ingest(tmp_path / "shapes", tmp_path / "out")
    message = str(caught.value)
    assert "6 of 26 images (23.1%) are quarantined, more than ingest.max_quarantine=0.1 allows" in message
    assert "2 conflicting_labels, 1 duplicate, 3 unreadable" in message
    assert "The first: cross/empty.png: the file is empty; cross/zz-two-labels.png: the same" in message
    assert "Suffixes: .png (6). `forebay quarantine " in message
    assert len(quarantine_of(tmp_path / "out")) == 6
    assert not is_sealed(tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_images_with_no_class_folder_are_told_what_to_do(run_ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for number in range(3):
        Image.fromarray(draw("ring", number)).save(tmp_path / "flat" / f"{number}.png")
    with pytest.raises(DataError, match=r"3 unlabelled\. .*one sub-folder per class"):
        run_ingest(tmp_path / "flat", tmp_path / "out")


@pytest.mark.parametrize("keep", ["one class", "nothing"])
def test_fewer_than_two_classes_are_refused(run_ingest: Ingest, tmp_path: Path, keep: str) -> None:
    write_folder(tmp_path / "shapes", per_class=3)
    for path in (tmp_path / "shapes").rglob("*.png"):
        if keep == "nothing" or path.parent.name == "ring":
            path.write_bytes(b"no image")
    found = {"one class": r"3 rows in 1 class\(es\)", "nothing": r"0 rows in 0 class\(es\)"}[keep]
    with pytest.raises(DataError, match=rf"{found} are left(: ring|: cross)?\. A classifier needs at least two"):
        run_ingest(tmp_path / "shapes", tmp_path / "out", max_quarantine=1.0)


def test_bombs_and_links_in_a_tar_are_quarantined_unread(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=40)
    (tmp_path / "shapes" / "ring" / "bomb.png").write_bytes(png_that_claims(8_000, 8_000))
    (tmp_path / "shapes" / "ring" / "fat.png").write_bytes(os.urandom(20_000))
    with tarfile.open(tmp_path / "shapes.tar", "w") as tar:
        tar.add(tmp_path / "shapes", "shapes")
        link = tarfile.TarInfo("shapes/ring/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        outside = tarfile.TarInfo("shapes/../../ring/x.png")
        outside.size = 4
        tar.addfile(outside, io.BytesIO(b"data"))
    manifest = run_ingest(tmp_path / "shapes.tar", tmp_path / "out", max_file_bytes=10_000)
    assert manifest.kind == "tar"
    assert manifest.quarantined == {"too_large": 2, "unreadable": 2}
    details = {row["source"]: row["detail"] for row in quarantine_of(tmp_path / "out")}
    assert details["shapes/ring/bomb.png"] == "8000x8000 pixels, at most 50000000 are decoded"
    assert details["shapes/ring/fat.png"] == "20000 bytes, at most 10000 are read"
    assert "link (to /etc/passwd), which is not followed" in details["shapes/ring/link.png"]
    assert "leads outside" in details["shapes/../../ring/x.png"]


def png_that_claims(height: int, width: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(9)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_mnist_files_keep_their_split_and_a_duplicate_of_a_test_row_leaves_training(
    run_ingest: Ingest, tmp_path: Path
) -> None:
    write_idx(tmp_path / "tiny-mnist", rows=30, test_rows=10)
    train, test = (tmp_path / "tiny-mnist" / f"{part}-images-idx3-ubyte" for part in ("train", "t10k"))
    train.write_bytes(train.read_bytes()[:16] + test.read_bytes()[16 : 16 + 144] + train.read_bytes()[16 + 144 :])
    manifest = run_ingest(tmp_path / "tiny-mnist", tmp_path / "out")
    assert (manifest.kind, manifest.splits) == ("idx", {"test": 10, "train": 29})
    assert manifest.quarantined == {"duplicate": 1}
    assert quarantine_of(tmp_path / "out")[0]["source"] == "train-images-idx3-ubyte#00000000"


def test_the_own_row_table_can_be_ingested_again_with_the_same_digest(run_ingest: Ingest, tmp_path: Path) -> None:
    write_idx(tmp_path / "m", rows=30, test_rows=10)
    first = run_ingest(tmp_path / "m", tmp_path / "one")
    second = run_ingest(tmp_path / "one" / "rows", tmp_path / "two")
    assert (second.kind, second.digest, second.splits) == ("parquet", first.digest, first.splits)


def test_parquet_of_encoded_images_in_many_row_groups(run_ingest: Ingest, tmp_path: Path) -> None:
    data = []
    for number in range(30):
        buffer = io.BytesIO()
        Image.fromarray(draw("ring", number)).save(buffer, "PNG")
        data.append(buffer.getvalue())
    table = pa.table({"image": data, "label": [number % 3 for number in range(30)]})
    pq.write_table(table, tmp_path / "rings.parquet", row_group_size=8)
    manifest = run_ingest(tmp_path / "rings.parquet", tmp_path / "out")
    assert (manifest.name, manifest.rows, manifest.classes) == ("rings", 30, ["0", "1", "2"])
    assert all(row["pixels"] == draw("ring", int(row["source"][-8:])).tobytes() for row in rows_of(tmp_path / "out"))


def test_an_s3_prefix_and_a_tar_in_s3_give_the_local_digest(run_ingest: Ingest, tmp_path: Path, s3: S3Store) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    with tarfile.open(tmp_path / "shapes.tar", "w") as tar:
        tar.add(tmp_path / "shapes", "train")
    local = run_ingest(tmp_path / "shapes", tmp_path / "local")
    prefix = run_ingest(s3.upload(tmp_path / "shapes", "ingest", "some/shapes"), tmp_path / "prefix")
    packed = run_ingest(s3.upload(tmp_path / "shapes.tar", "ingest", "some/shapes.tar"), tmp_path / "packed")
    assert local.digest == prefix.digest == packed.digest
    assert (prefix.kind, packed.kind) == ("folder", "tar")
    assert prefix.name == packed.name == "shapes"


def test_an_s3_object_that_cannot_be_had_ends_the_step_with_its_name(
    run_ingest: Ingest, tmp_path: Path, s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that S3 does not hand out must never look like a broken image."""
    write_folder(tmp_path / "shapes", per_class=10)
    uri = s3.upload(tmp_path / "shapes", "ingest", "vanishing")
    from forebay.ingest import read_source

    index = read_source.write_index

    def write_then_lose(*arguments: Any) -> int:
        s3.client.delete_object(Bucket="ingest", Key="vanishing/ring/003.png")
        return index(*arguments)

    monkeypatch.setattr(read_source, "write_index", write_then_lose)
    with pytest.raises(DataError, match=r"reading it failed: .*ring/003\.png") as caught:
        run_ingest(uri, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_broken_earlier_try_leaves_nothing_behind(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    out = tmp_path / "out"
    for stale in ("rows/part-00099.parquet", "quarantine/part-00000.tmp", ".work-killed/unpacked"):
        (out / stale).parent.mkdir(parents=True, exist_ok=True)
        (out / stale).write_bytes(b"stale")
    run_ingest(tmp_path / "shapes", out)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "_COMPLETE.json",
        "manifest.json",
        "rows/part-00000.parquet",
    ]


@pytest.mark.parametrize("name", ["a [b] {c}", "star*?"])
def test_folders_may_be_named_like_a_pattern(run_ingest: Ingest, tmp_path: Path, name: str) -> None:
    write_folder(tmp_path / name / "shapes", per_class=10)
    assert run_ingest(tmp_path / name / "shapes", tmp_path / name / "out").rows == 20


def test_a_source_that_changes_while_it_is_read_is_refused(spark: object, steplog: StepLog, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)

    class Meddling(StepLog):
        def progress(self, done: int, total: int, unit: str) -> None:
            (tmp_path / "shapes" / "late.txt").touch()

    log = Meddling(name="ingest", run_id="", home=steplog.home, events=steplog.events)
    with pytest.raises(DataError, match="changed while it was read"):
        ingest(tmp_path / "out", IngestConfig(data=str(tmp_path / "shapes")), log)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_digits_are_whole_and_progress_is_told(run_ingest: Ingest, tmp_path: Path, steplog: StepLog) -> None:
    manifest = run_ingest("digits", tmp_path / "out", fingerprint="scikit-learn-x", code_version="1")
    assert (manifest.rows, manifest.name, manifest.kind) == (1797, "digits", "digits")
    assert (manifest.height, manifest.width, manifest.channels) == (8, 8, 1)
    assert (manifest.fingerprint, manifest.code_version) == ("scikit-learn-x", "1")
    assert manifest.classes == [str(number) for number in range(10)]
    assert (manifest.quarantined, manifest.warnings) == ({}, [])
    assert steplog.events is not None
    told = [event for event in read_events(steplog.events)[0] if event["kind"] == "progress"]
    assert (told[-1]["done"], told[-1]["total"], told[-1]["unit"]) == (1797, 1797, "images")


def test_reasons_are_words_of_the_contract(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    plant_bad_files(tmp_path / "shapes")
    Image.fromarray(draw("ring", 1)).save(tmp_path / "shapes" / "stray.png")
    manifest = run_ingest(
        tmp_path / "shapes", tmp_path / "out", max_quarantine=0.9, on_size="quarantine", max_file_bytes=400
    )
    counted = Counter(row["reason"] for row in quarantine_of(tmp_path / "out"))
    assert counted == manifest.quarantined
    assert set(counted) <= set(QUARANTINE_REASONS)
    assert manifest.rows + sum(counted.values()) == 27
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["quarantined"] == dict(counted)


@pytest.mark.cifar10
@pytest.mark.skipif("FOREBAY_CIFAR10_TAR" not in os.environ, reason="FOREBAY_CIFAR10_TAR names no CIFAR-10 tar")
def test_the_50_000_jpegs_of_cifar10_are_all_there(run_ingest: Ingest, tmp_path: Path) -> None:
    manifest = run_ingest(os.environ["FOREBAY_CIFAR10_TAR"], tmp_path / "out")
    assert (manifest.rows, manifest.kind, manifest.quarantined) == (50_000, "tar", {})
    assert set(manifest.class_rows.values()) == {5000}
    assert (manifest.height, manifest.width, manifest.channels) == (32, 32, 3)
    assert sum(pq.read_metadata(path).num_rows for path in (tmp_path / "out" / "rows").iterdir()) == 50_000
