"""Classes with few images: each has some to learn from and some to be judged by, still decided by content."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebay.contracts.holdout import HASH, HELD_OUT, SOURCE, TRAINED, content_fraction, held_out_rows, split_exceptions
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import DataError
from forebay.preprocess import preprocess
from forebay.preprocess.split import TEST, TRAIN, VALIDATION, RowKeys, assign_splits
from forebay.settings import PreprocessConfig
from forebay.state import StepLog
from support.row_tables import write_table

HOLDOUT, VALID = 0.15, 0.05


def keys_of(sha256: NDArray[np.uint8], labels: NDArray[np.int64], source: str = "") -> RowKeys:
    return RowKeys(sha256, labels, np.full(len(labels), source, "U5"))


def digests_at(*fractions: float) -> NDArray[np.uint8]:
    """Digests of these content fractions."""
    first = np.array([int(fraction * 2**64) for fraction in fractions], ">u8").view(np.uint8).reshape(-1, 8)
    return np.hstack([first, np.ones((len(first), 24), np.uint8)])


@st.composite
def tables(draw: st.DrawFn) -> RowKeys:
    """Rows of up to six classes, few or many of each, some of them twice; no image under two classes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = draw(st.lists(st.one_of(st.integers(1, 4), st.integers(5, 60)), min_size=1, max_size=6))
    labels = np.repeat(np.arange(len(counts)), counts)
    sha256 = random.integers(0, 256, (len(labels), 32), np.uint8)
    twice = random.random(len(labels)) < draw(st.sampled_from([0.0, 0.4]))
    return keys_of(np.concatenate([sha256, sha256[twice]]), np.concatenate([labels, labels[twice]]))


fractions = st.sampled_from([(0.15, 0.05), (0.01, 0.0), (0.9, 0.05), (0.5, 0.45), (0.3, 0.0)])


def split(keys: RowKeys, holdout: float = HOLDOUT, validation: float = VALID, kind: str = HASH) -> NDArray[np.int8]:
    return assign_splits(keys, kind=kind, holdout=holdout, validation=validation)


def by_fraction(keys: RowKeys, holdout: float, validation: float) -> NDArray[np.int8]:
    """The rule without its care for small classes, written out."""
    found = content_fraction(keys.sha256)
    return np.array(
        [TEST if f < holdout else VALIDATION if f < holdout + validation else TRAIN for f in found], np.int8
    )


@given(tables(), fractions)
@settings(deadline=None)
def test_every_class_of_two_images_has_one_on_each_side_and_one_of_one_is_trained_on(
    keys: RowKeys, parts: tuple[float, float]
) -> None:
    splits = split(keys, *parts)
    for label in np.unique(keys.labels):
        mine = keys.labels == label
        images = len(np.unique(keys.sha256[mine], axis=0))
        assert TRAIN in splits[mine]
        assert (TEST in splits[mine]) is (images > 1)


@given(tables(), fractions)
@settings(deadline=None)
def test_a_class_that_has_both_sides_by_its_content_is_split_as_ever(keys: RowKeys, parts: tuple[float, float]) -> None:
    splits, plain = split(keys, *parts), by_fraction(keys, *parts)
    for label in np.unique(keys.labels):
        mine = keys.labels == label
        if {TRAIN, TEST} <= set(plain[mine].tolist()):
            np.testing.assert_array_equal(splits[mine], plain[mine])
        else:  # the lowest image, the highest or both; never more
            assert len(np.unique(keys.sha256[mine & (splits != plain)], axis=0)) <= 2


@given(tables(), fractions, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_an_images_split_hangs_on_its_own_classs_content_alone(
    keys: RowKeys, parts: tuple[float, float], random: "object"
) -> None:
    splits = split(keys, *parts)
    order = np.arange(len(splits))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(split(keys_of(keys.sha256[order], keys.labels[order]), *parts), splits[order])
    for label in np.unique(keys.labels):
        mine = keys.labels == label
        alone = keys_of(keys.sha256[mine], np.zeros(int(mine.sum()), np.int64))
        np.testing.assert_array_equal(split(alone, *parts), splits[mine])
    placed: dict[bytes, int] = {}
    for row, place in zip(keys.sha256, splits.tolist(), strict=True):
        assert placed.setdefault(row.tobytes(), place) == place, "equal images share a split"


@given(tables(), fractions)
@settings(deadline=None)
def test_holdout_and_the_recorded_exceptions_give_back_the_test_rows(keys: RowKeys, parts: tuple[float, float]) -> None:
    test = split(keys, *parts) == TEST
    moved = split_exceptions(keys.sha256, test, parts[0])
    np.testing.assert_array_equal(held_out_rows(keys.sha256, parts[0], moved), test)
    assert len(moved[HELD_OUT]) + len(moved[TRAINED]) <= 2 * (keys.labels.max() + 1)


@given(tables(), fractions, fractions, st.floats(0.1, 0.9), st.integers(0, 99))
@settings(deadline=None)
def test_no_row_that_an_earlier_model_was_trained_on_counts_as_held_out_for_it_whatever_data_came_later(
    keys: RowKeys, earlier: tuple[float, float], later: tuple[float, float], share: float, seed: int
) -> None:
    there = np.random.default_rng(seed).random(len(keys.labels)) < share
    there[0] = True
    first = keys_of(keys.sha256[there], keys.labels[there])
    splits = split(first, *earlier)
    moved = split_exceptions(first.sha256, splits == TEST, earlier[0])
    now = keys.sha256[split(keys, *later) == TEST]
    compared = {row.tobytes() for row in now[held_out_rows(now, earlier[0], moved)]}
    assert not compared & {row.tobytes() for row in first.sha256[splits != TEST]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([0.5, 0.3, 0.9], [TRAIN, TEST, TRAIN]),  # none to be judged by: the lowest
        ([0.01, 0.02, 0.03], [TEST, TEST, TRAIN]),  # none to learn from: the highest
        ([0.16, 0.17], [TEST, TRAIN]),  # both would only have drawn curves
        ([0.17, 0.01], [TRAIN, TEST]),  # validation never takes the last one to learn from
        ([0.01], [TRAIN]),
        ([0.17], [TRAIN]),
        ([0.5, 0.17, 0.01], [TRAIN, VALIDATION, TEST]),  # both sides as it is: nothing is moved
    ],
)
def test_the_lowest_image_tests_and_the_highest_trains(found: list[float], expected: list[int]) -> None:
    keys = keys_of(digests_at(*found), np.zeros(len(found), np.int64))
    assert split(keys).tolist() == expected


def test_an_image_under_two_classes_stays_where_its_content_puts_it() -> None:
    keys = keys_of(digests_at(0.5, 0.9, 0.5), np.array([0, 0, 1]))
    assert split(keys).tolist() == [TRAIN, TRAIN, TRAIN]


def test_of_the_sources_training_rows_validation_takes_no_classs_last() -> None:
    sha256 = digests_at(0.01, 0.02, 0.5, 0.03, 0.9)
    keys = RowKeys(sha256, np.array([0, 0, 0, 1, 1]), np.array(["train", "train", "test", "train", "test"]))
    assert split(keys, kind=SOURCE).tolist() == [VALIDATION, TRAIN, TEST, TRAIN, TEST]


def images(rows: int, shape: tuple[int, int, int] = (4, 4, 1)) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (rows, *shape), np.uint8)


def test_a_thousand_classes_of_three_images_are_all_trained_on_and_all_judged(tmp_path: Path, steplog: StepLog) -> None:
    classes = [f"c{number:04d}" for number in range(1000)]
    labels = [row % 1000 for row in range(3000)]
    write_table(tmp_path / "in", images(3000), labels, classes)
    manifest = preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(), steplog)
    parts = {name: open_split(tmp_path / "out", manifest, name) for name in manifest.splits}
    counts = {name: np.bincount(part.labels, minlength=1000) for name, part in parts.items()}
    assert (counts["train"] > 0).all()
    assert (counts["test"] > 0).all()
    assert sum(manifest.splits.values()) == 3000
    assert 1000 <= manifest.splits["test"] < 1200  # one of three, and two where content says so
    held = held_out_rows(parts["test"].sha256, manifest.holdout, manifest.exceptions)
    assert held.all()
    assert not held_out_rows(parts["train"].sha256, manifest.holdout, manifest.exceptions).any()
    said = f"{len(manifest.exceptions[HELD_OUT])} more are held out and {len(manifest.exceptions[TRAINED])} more are"
    assert any(said in text for text in manifest.warnings)
    assert (tmp_path / "out" / "manifest.json").stat().st_size < 100_000
    assert SplitManifest.read(tmp_path / "out") == manifest


def test_a_class_of_one_image_is_named_because_nothing_judges_it(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", images(61), [0, 1] * 30 + [2], ["a", "b", "rare"])
    manifest = preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(), steplog)
    assert manifest.train_class_rows["rare"] == 1
    assert any(text.startswith("class 'rare' with one image only: it is trained on") for text in manifest.warnings)


def test_large_classes_have_no_exceptions_and_nothing_is_said(digits_shards: Path) -> None:
    manifest = SplitManifest.read(digits_shards)
    assert manifest.exceptions == {HELD_OUT: [], TRAINED: []}
    assert manifest.warnings == []
    assert manifest.digest == "bd7727158b709c1f3f4f05d438017751d1d4e18667ab6cb83ab02e84350c8177"
    assert manifest.splits == {"train": 1449, "validation": 80, "test": 268}


def test_a_class_only_among_the_sources_training_rows_is_named(tmp_path: Path, steplog: StepLog) -> None:
    splits = ["test" if row % 3 == 0 and row < 40 else "train" for row in range(60)]
    labels = [2 if row >= 40 else row % 2 for row in range(60)]
    write_table(tmp_path / "in", images(60), labels, ["a", "b", "late"], splits=splits)
    manifest = preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(), steplog)
    assert manifest.exceptions == {}
    (text,) = [text for text in manifest.warnings if "'late'" in text]
    assert text.startswith("class 'late' without test rows in the source's own split")
    assert "preprocess.split=hash" in text
    assert "holdout" not in text


def test_a_class_only_among_the_sources_test_rows_is_refused_with_advice_that_works(
    tmp_path: Path, steplog: StepLog
) -> None:
    splits = ["train"] * 40 + ["test"] * 20
    labels = [row % 2 for row in range(40)] + [row % 3 for row in range(20)]
    write_table(tmp_path / "in", images(60), labels, ["a", "b", "new"], splits=splits)
    with pytest.raises(DataError, match=r"no training rows for class 'new' in the source's own split") as caught:
        preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(), steplog)
    assert "preprocess.split=hash" in caught.value.fix
    assert "holdout" not in caught.value.fix
    manifest = preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(split="hash"), steplog)
    assert manifest.train_class_rows["new"] > 0


def test_where_no_class_has_two_images_nothing_can_be_judged(tmp_path: Path, steplog: StepLog) -> None:
    write_table(tmp_path / "in", images(3), [0, 1, 2], ["a", "b", "c"])
    with pytest.raises(DataError, match=r"none of the 3 rows can be held out .* no class has two images.*Add imag"):
        preprocess(tmp_path / "in", tmp_path / "out", PreprocessConfig(), steplog)
