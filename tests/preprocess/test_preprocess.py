"""Preprocess: the split is decided by content, the shards hold what the table held, statistics are exact."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from forebay.contracts.manifest import MANIFEST, SplitManifest
from forebay.contracts.rows import ROWS, pixel_digest
from forebay.contracts.shards import SPLITS, DatasetSplit, open_split
from forebay.errors import DamagedArtifactError, DataError
from forebay.preprocess import preprocess
from forebay.settings import PreprocessConfig
from forebay.state import StepLog, is_sealed, seal
from forebay.state.events import read_events
from support.row_tables import digits_table, write_table

CLASSES = ["circle", "square"]


def random_images(rows: int, seed: int = 0, shape: tuple[int, int, int] = (4, 5, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (rows, *shape), np.uint8)


def run(dataset: Path, out: Path, log: StepLog, **settings: object) -> tuple[SplitManifest, dict[str, DatasetSplit]]:
    manifest = preprocess(dataset, out, PreprocessConfig(**settings), log)
    return manifest, {name: open_split(out, manifest, name) for name in SPLITS}


def warnings(log: StepLog) -> list[str]:
    assert log.events is not None
    return [event["text"] for event in read_events(log.events)[0] if event["kind"] == "warning"]


def test_every_row_lands_in_the_split_its_digest_names(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(400)
    write_table(tmp_path / "in", images, [row % 2 for row in range(400)], CLASSES)
    manifest, splits = run(tmp_path / "in", tmp_path / "out", steplog, holdout=0.2, validation=0.1)

    expected = {name: 0 for name in SPLITS}
    for image in images:
        fraction = int.from_bytes(pixel_digest(image.tobytes(), 4, 5, 3)[:8], "big") / 2**64
        expected["test" if fraction < 0.2 else "validation" if fraction < 0.3 else "train"] += 1
    assert manifest.splits == expected
    assert manifest.rows == 400
    assert manifest.split_kind == "hash"
    for split in splits.values():
        for image, digest in zip(split.images_NHWC(), split.sha256, strict=True):
            assert pixel_digest(image.tobytes(), 4, 5, 3) == digest.tobytes()


def test_how_ingest_prepared_images_is_passed_on(tmp_path: Path, steplog: StepLog) -> None:
    data = write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES)
    manifest, _ = run(tmp_path / "in", tmp_path / "out", steplog)
    assert (manifest.fit, manifest.bits) == ("stretch", 16)  # a manifest of before they were recorded
    replace(data, settings={"fit": "letterbox", "bits": "12"}).write(tmp_path / "in")
    seal(tmp_path / "in")
    again, _ = run(tmp_path / "in", tmp_path / "out", steplog)
    assert (again.fit, again.bits, again.digest) == ("letterbox", 12, manifest.digest)


def test_labels_stay_with_their_images_and_rows_are_ordered_by_digest(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(300)
    labels = [row % 2 for row in range(300)]
    by_image = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    write_table(tmp_path / "in", images, labels, CLASSES, parts=3)
    _, splits = run(tmp_path / "in", tmp_path / "out", steplog)
    for split in splits.values():
        assert [by_image[image.tobytes()] for image in split.images_NHWC()] == split.labels.tolist()
        digests = [digest.tobytes() for digest in split.sha256]
        assert digests == sorted(digests)


def test_the_names_of_test_rows_stay_with_their_images(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(300)
    names = [f"{row}/{'n' * (9000 if row % 2 else 3)}" for row in range(300)]
    by_image = {image.tobytes(): name[:4096] for image, name in zip(images, names, strict=True)}
    write_table(tmp_path / "in", images, [row % 2 for row in range(300)], CLASSES, parts=3, sources=names)
    manifest, splits = run(tmp_path / "in", tmp_path / "out", steplog)
    write_table(tmp_path / "other", images, [row % 2 for row in range(300)], CLASSES)
    assert run(tmp_path / "other", tmp_path / "other-out", steplog)[0].digest == manifest.digest, "names are no data"
    test = splits["test"]
    assert test.sources == [by_image[image.tobytes()] for image in test.images_NHWC()]
    keep = np.random.default_rng(0).random(len(test)) < 0.5
    part = test.select(keep)
    assert part.sources == [by_image[image.tobytes()] for image in part.images_NHWC()]
    assert splits["train"].sources is None

    file = tmp_path / "out" / manifest.sources["test"]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedArtifactError, match=r"test-sources.parquet: its sha256"):
        open_split(tmp_path / "out", manifest, "test")


def test_shards_of_before_names_were_kept_are_still_read(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(100), [0, 1] * 50, CLASSES)
    manifest, _ = run(tmp_path / "in", tmp_path / "out", steplog)
    (tmp_path / "out" / manifest.sources["test"]).unlink()
    values = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    del values["sources"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(values))
    seal(tmp_path / "out")
    older = open_split(tmp_path / "out", SplitManifest.read(tmp_path / "out"), "test")
    assert older.sources is None
    assert older.select(np.ones(len(older), np.bool_)).sources is None


def test_duplicates_fed_straight_to_it_never_straddle_a_split(tmp_path: Path, steplog: StepLog) -> None:
    images = np.repeat(random_images(100), 3, axis=0)
    order = np.random.default_rng(1).permutation(300)
    write_table(tmp_path / "in", images[order], [0, 1] * 150, CLASSES)
    manifest, splits = run(tmp_path / "in", tmp_path / "out", steplog)
    held = {name: {digest.tobytes() for digest in split.sha256} for name, split in splits.items()}
    assert manifest.rows == 300
    assert not held["train"] & held["test"]
    assert not held["train"] & held["validation"]
    assert not held["validation"] & held["test"]


def test_partitioning_and_order_of_the_table_change_no_byte(tmp_path: Path, steplog: StepLog) -> None:
    images, labels = np.repeat(random_images(150), 2, axis=0), [row % 2 for row in range(300)]
    write_table(tmp_path / "one", images, labels, CLASSES)
    shuffled = np.random.default_rng(2).permutation(300)
    write_table(tmp_path / "many", images[shuffled], [labels[row] for row in shuffled], CLASSES, parts=5)
    first, _ = run(tmp_path / "one", tmp_path / "out-one", steplog)
    second, _ = run(tmp_path / "many", tmp_path / "out-many", steplog)
    assert first.digest == second.digest
    for path in sorted((tmp_path / "out-one").glob("*.npy")):
        assert path.read_bytes() == (tmp_path / "out-many" / path.name).read_bytes(), path.name


def test_the_shard_size_changes_the_files_but_not_the_rows_or_the_digest(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(200), [0, 1] * 100, CLASSES)
    whole, one = run(tmp_path / "in", tmp_path / "whole", steplog)
    cut, many = run(tmp_path / "in", tmp_path / "cut", steplog, shard_rows=7)
    assert len(cut.shards["train"]) == -(-cut.splits["train"] // 7)
    assert whole.digest == cut.digest
    for name in SPLITS:
        np.testing.assert_array_equal(one[name].images_NHWC(), many[name].images_NHWC())


def test_the_sources_own_test_rows_are_the_test_split(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(200)
    splits = ["test" if row >= 150 else "train" for row in range(200)]
    write_table(tmp_path / "in", images, [0, 1] * 100, CLASSES, splits=splits)
    manifest, opened = run(tmp_path / "in", tmp_path / "out", steplog, validation=0.1)
    assert manifest.split_kind == "source"
    assert {image.tobytes() for image in opened["test"].images_NHWC()} == {image.tobytes() for image in images[150:]}
    assert 0 < manifest.splits["validation"] < 50


def test_a_training_row_that_is_also_a_test_row_is_left_out_and_said(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(100)
    images = np.concatenate([images, images[:3]])
    splits = ["train"] * 100 + ["test"] * 3
    write_table(tmp_path / "in", images, [0, 1] * 50 + [0, 1, 0], CLASSES, splits=splits)
    manifest, opened = run(tmp_path / "in", tmp_path / "out", steplog)
    assert manifest.rows == 100
    leaked = {digest.tobytes() for digest in opened["test"].sha256}
    assert not leaked & {digest.tobytes() for digest in opened["train"].sha256}
    assert any("3 training rows" in text for text in warnings(steplog))
    assert manifest.warnings == warnings(steplog)


def test_hash_ignores_the_sources_split_and_source_needs_one(tmp_path: Path, steplog: StepLog) -> None:
    images, labels = random_images(200), [0, 1] * 100
    write_table(tmp_path / "own", images, labels, CLASSES, splits=["test"] * 20 + ["train"] * 180)
    write_table(tmp_path / "none", images, labels, CLASSES)
    own, _ = run(tmp_path / "own", tmp_path / "out", steplog, split="hash")
    none, _ = run(tmp_path / "none", tmp_path / "out", steplog)
    assert own.digest == none.digest
    with pytest.raises(DataError, match=r"no split with both train and test rows. Set preprocess.split=hash"):
        run(tmp_path / "none", tmp_path / "out", steplog, split="source")


def test_statistics_are_those_of_the_training_rows_to_the_last_digit(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(300), [0, 1] * 150, CLASSES, parts=4)
    manifest, splits = run(tmp_path / "in", tmp_path / "out", steplog)
    train = splits["train"].images_NHWC() / 255
    np.testing.assert_allclose(manifest.mean, train.mean((0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(manifest.std, train.std((0, 1, 2)), rtol=1e-13)
    everything = random_images(300) / 255
    assert not np.allclose(manifest.mean, everything.mean((0, 1, 2)), rtol=1e-9)


def test_a_channel_that_never_changes_gets_deviation_one_and_a_warning(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(60)
    images[..., 1] = 7
    write_table(tmp_path / "in", images, [0, 1] * 30, CLASSES)
    manifest, _ = run(tmp_path / "in", tmp_path / "out", steplog)
    assert manifest.std[1] == 1.0
    assert manifest.mean[1] == 7 / 255
    assert any("channel 1 never changes" in text for text in warnings(steplog))


def test_a_class_without_training_rows_is_named_with_the_fix(tmp_path: Path, steplog: StepLog) -> None:
    images = random_images(50)
    write_table(tmp_path / "in", images, [0] * 50, CLASSES)
    with pytest.raises(DataError, match=r"no training rows for class 'square'.*Add images"):
        run(tmp_path / "in", tmp_path / "out", steplog)
    assert not (tmp_path / "out").exists()


def test_pixels_that_are_not_what_their_digest_says_are_refused(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES)
    path = tmp_path / "in" / ROWS / "part-00000.parquet"
    table = pq.read_table(path)
    changed = table["pixels"].to_pylist()
    changed[11] = bytes(60)
    column = table.schema.get_field_index("pixels")
    pq.write_table(table.set_column(column, table.schema.field(column), [changed]), path)
    seal(tmp_path / "in")
    with pytest.raises(DataError, match=r"^11.png: the pixels are not those that its sha256 names"):
        run(tmp_path / "in", tmp_path / "out", steplog)


def test_a_table_that_is_not_the_manifests_is_refused(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES, parts=2)
    (tmp_path / "in" / ROWS / "part-00001.parquet").unlink()
    with pytest.raises(DamagedArtifactError, match=r"part-00001.parquet: cannot be read \(No such file"):
        run(tmp_path / "in", tmp_path / "out", steplog)
    seal(tmp_path / "in")
    with pytest.raises(DataError, match=r"20 rows where the manifest says 40. Run ingest again"):
        run(tmp_path / "in", tmp_path / "out", steplog)
    (tmp_path / "in" / ROWS / "part-00000.parquet").write_bytes(b"PAR1 not really")
    seal(tmp_path / "in")
    with pytest.raises(DataError, match=r"part-00000.parquet: cannot be read"):
        run(tmp_path / "in", tmp_path / "out", steplog)


def _swap_labels(table: Path, resealed: bool) -> None:
    """Give two rows of different classes each other's label."""
    path = table / ROWS / "part-00000.parquet"
    rows = pq.read_table(path)
    labels = rows["label"].to_pylist()
    labels[3], labels[4] = labels[4], labels[3]
    column = rows.schema.get_field_index("label")
    pq.write_table(rows.set_column(column, rows.schema.field(column), pa.array(labels, pa.int32())), path)
    if resealed:
        seal(table)


@pytest.mark.parametrize(
    ("resealed", "words"),
    [
        (False, r"part-00000.parquet: its sha256 is .* when ingest wrote it. `forebay run` again makes it anew"),
        (True, r"rows: labels, splits or images were changed: their digest is "),
    ],
)
def test_swapped_labels_between_ingest_and_preprocess_are_refused_by_name(
    tmp_path: Path, steplog: StepLog, resealed: bool, words: str
) -> None:
    write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES)
    _swap_labels(tmp_path / "in", resealed)
    with pytest.raises(DamagedArtifactError, match=words) as refused:
        run(tmp_path / "in", tmp_path / "out", steplog)
    assert refused.value.folder == tmp_path / "in"
    assert not (tmp_path / "out").exists()


def test_a_file_that_ingest_did_not_write_is_refused(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES)
    part = tmp_path / "in" / ROWS / "part-00000.parquet"
    part.with_name("part-00009.parquet").write_bytes(part.read_bytes())
    with pytest.raises(DamagedArtifactError, match=r"part-00009.parquet: _COMPLETE.json does not list it"):
        run(tmp_path / "in", tmp_path / "out", steplog)


def test_what_a_killed_try_left_behind_is_gone_after_the_next(tmp_path: Path, steplog: StepLog) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "train-00007.npy").write_bytes(b"half")
    digits_table(tmp_path / "in")
    manifest, splits = run(tmp_path / "in", out, steplog)
    assert not (out / "train-00007.npy").exists()
    assert is_sealed(out)
    assert manifest.splits["test"] / manifest.rows == pytest.approx(0.15, abs=0.03)
    assert SplitManifest.read(out) == manifest
    assert len(splits["train"]) == manifest.splits["train"]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run(tmp_path / "in", out, steplog)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_progress_ends_with_every_row(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", random_images(40), [0, 1] * 20, CLASSES)
    run(tmp_path / "in", tmp_path / "out", steplog)
    assert steplog.events is not None
    progress = [event for event in read_events(steplog.events)[0] if event["kind"] == "progress"]
    assert (progress[-1]["done"], progress[-1]["total"], progress[-1]["unit"]) == (40, 40, "rows")
