"""Parquet as others write it: which rows are held out, by columns, folders and names of files."""

from pathlib import Path

import pyarrow as pa
import pytest

from forebay.ingest.labels.splits import find_split, split_roles
from support.parquet_tables import read, splits_of, write

# --- words for a split


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *((word, "train") for word in ("train", "Training", "seg_train", "training_set", "train2017", "trainval")),
        *((word, "validation") for word in ("val", "VALID", "validation-00000-of-00002", "dev", "val2014")),
        *((word, "test") for word in ("test", "testing", "test-images", "eval", "partial-test", "test_0.parquet")),
        *((word, None) for word in ("", "part-00000", "latest", "contest", "train_test", "extra", "trains", "2017")),
    ],
)
def test_usual_words_and_their_compounds_stand_for_a_side_of_a_split(name: str, side: str | None) -> None:
    assert find_split(name) == side


@pytest.mark.parametrize(
    ("words", "uses"),
    [
        ({"train", "test"}, {"train": "train", "test": "test"}),
        ({"train", "validation"}, {"train": "train", "validation": "test"}),
        ({"train", "validation", "test"}, {"train": "train", "validation": "train", "test": "test"}),
        ({"validation", "test"}, {"validation": "train", "test": "test"}),
        ({"train"}, {}),
        ({"test"}, {}),
        (set(), {}),
    ],
)
def test_test_words_hold_out_and_validation_words_do_where_there_is_no_test(
    words: set[str], uses: dict[str, str]
) -> None:
    assert split_roles(words) == uses


# --- split from names and folders


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001-0123abc.parquet"),
        ("train.parquet", "test.parquet"),
        ("train_0.parquet", "test_0.snappy.parquet"),
        ("train/part-0.parquet", "test/part-0.parquet"),
        ("default/partial-train/0000.parquet", "default/partial-test/0000.parquet"),
        ("TRAIN.PARQUET", "Validation.pq"),
        ("split=train/part-0.parquet", "split=test/part-0.parquet"),
        ("a=1/Split=Train/x.parquet", "a=2/Split=VAL/x.parquet"),
        ("split=tr%61in/part-0.parquet", "split=te%73t/part-0.parquet"),
    ],
)
def test_file_names_and_folders_say_the_split(tmp_path: Path, train: str, test: str) -> None:
    for name in (train, test):
        write(tmp_path / "d", name, label=["a", "b"])
    assert splits_of(tmp_path / "d", tmp_path) == ({train: {"train"}, test: {"test"}}, [])


def test_validation_files_hold_out_only_where_there_are_no_test_files(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        write(tmp_path / "d" / "data", f"{name}-00000-of-00001.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert [found[f"data/{name}-00000-of-00001.parquet"] for name in ("train", "validation", "test")] == [
        {"train"}, {"train"}, {"test"}
    ]  # fmt: skip
    assert notes == []


def test_names_without_a_word_bring_no_split_and_no_warning(tmp_path: Path) -> None:
    for name in ("part-00000", "part-00001"):
        write(tmp_path / "d", f"{name}.parquet", label=["a", "b"])
    assert splits_of(tmp_path / "d", tmp_path) == ({"part-00000.parquet": {None}, "part-00001.parquet": {None}}, [])


def test_one_side_alone_is_dropped_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "d", "train-00000-of-00001.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"train-00000-of-00001.parquet": {None}}
    assert notes == [
        "The source's split is dropped: it names only train rows (such as train-00000-of-00001.parquet), and a split "
        "needs training rows and held-out rows. Rows are held out by content instead (preprocess.holdout)."
    ]


def test_rows_that_are_marked_as_held_out_stay_so_beside_files_that_name_no_split(tmp_path: Path) -> None:
    write(tmp_path / "d", "more.parquet", label=["a", "b"])
    write(tmp_path / "d", "test.parquet", label=["a", "b"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"more.parquet": {None}, "test.parquet": {"test"}}  # preprocess trains on what is not test
    assert notes == ["2 rows name no split (first in more.parquet): they are trained on."]


# --- split from a column


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["train", "test"], ["train", "test"]),
        (["TRAIN", "Val"], ["train", "test"]),
        (["training", "validation", "testing"], ["train", "train", "test"]),
        (["train", "dev", None], ["train", "test", None]),
        ([None, "test"], [None, "test"]),
    ],
)
def test_a_split_column_says_the_split(tmp_path: Path, words: list[str | None], splits: list[str | None]) -> None:
    write(tmp_path, "all.parquet", len(words), label=["a"] * len(words), split=words)
    assert [record["split"] for record in read(tmp_path / "all.parquet", tmp_path)[0]] == splits


def test_a_split_column_may_be_a_category_or_a_number_with_a_name(tmp_path: Path) -> None:
    category = pa.array(["train", "test"]).dictionary_encode()
    write(tmp_path, "category.parquet", label=["a", "b"], split=category)
    features = {"split": {"names": ["train", "test"], "_type": "ClassLabel"}, "label": {"_type": "Value"}}
    write(tmp_path, "number.parquet", metadata=features, label=["a", "b"], Split=[0, 1])
    features["Split"] = features.pop("split")
    write(tmp_path, "number.parquet", metadata=features, label=["a", "b"], Split=[0, 1])
    for name in ("category", "number"):
        assert [record["split"] for record in read(tmp_path / f"{name}.parquet", tmp_path)[0]] == ["train", "test"]


def test_unknown_words_of_a_split_are_named(tmp_path: Path) -> None:
    write(tmp_path, "extra.parquet", 4, label=list("abab"), split=["train", "test", "extra", "extra"])
    records, notes = read(tmp_path / "extra.parquet", tmp_path)
    assert [record["split"] for record in records] == ["train", "test", "train", "train"]
    assert notes == [
        "2 rows have the split 'extra', which stands for none of training, validation and test rows: they are "
        "trained on."
    ]
    write(tmp_path, "folds.parquet", 3, label=list("aba"), split=["fold1", "fold2", "fold1"])
    records, notes = read(tmp_path / "folds.parquet", tmp_path)
    assert {record["split"] for record in records} == {None}
    assert notes == [
        "The source's split is dropped: 'fold1', 'fold2' (such as in folds.parquet) stands for none of training, "
        "validation and test rows. Rows are held out by content instead (preprocess.holdout)."
    ]
    write(tmp_path, "half.parquet", label=["a", "b"], split=["train", "spare"])
    records, notes = read(tmp_path / "half.parquet", tmp_path)
    assert {record["split"] for record in records} == {None}
    assert "it names only train rows (such as half.parquet), and 'spare', which is no word for a split, and" in notes[0]


def test_a_column_that_only_may_be_a_split_counts_with_a_known_word(tmp_path: Path) -> None:
    write(tmp_path, "a.parquet", label=["a", "b"], subset=["train", "test"])
    write(tmp_path, "b.parquet", label=["a", "b"], subset=["indoor", "outdoor"])
    assert [record["split"] for record in read(tmp_path / "a.parquet", tmp_path)[0]] == ["train", "test"]
    assert read(tmp_path / "b.parquet", tmp_path)[1] == []


def test_the_column_counts_where_names_say_another_split(tmp_path: Path) -> None:
    write(tmp_path / "d", "train.parquet", label=["a", "b"], split=["train", "test"])
    found, notes = splits_of(tmp_path / "d", tmp_path)
    assert found == {"train.parquet": {"train", "test"}}
    assert notes == ["The split column of train.parquet says another split than its place does; the column counts."]


@pytest.mark.parametrize("name", ["TrainData", "trainLabels", "my_TrainSet"])
def test_capitals_tell_words_apart(name: str) -> None:
    assert find_split(name) == "train"
    assert find_split(name.replace("rain", "est").replace("Test", "PublicTest")) == "test"


@pytest.mark.parametrize("missing", [pa.array([-1, -1]), pa.nulls(2), pa.array([None, None], pa.int64())])
def test_a_split_without_any_label_is_set_aside_and_the_others_stay_one(tmp_path: Path, missing: pa.Array) -> None:
    names = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    for side, label in (("train", [0, 1]), ("validation", [1, 0]), ("test", missing)):
        write(tmp_path, f"data/{side}-00000-of-00001.parquet", metadata=names, label=label)
    rows, notes = read(tmp_path, tmp_path)
    assert {row["source"].split("-")[0]: (row["label_name"] is None, row["split"]) for row in rows} == {
        "data/train": (False, "train"), "data/validation": (False, "test"), "data/test": (True, None),
    }  # fmt: skip
    assert notes == [
        "Unlabelled and set aside: 2 rows of test (such as data/test-00000-of-00001.parquet), none of which has a "
        "label."
    ]


def test_a_split_of_which_one_file_has_labels_stays(tmp_path: Path) -> None:
    for name, label in (("train-0", ["a", "b"]), ("test-0", ["a", "b"]), ("test-1", [None, None])):
        write(tmp_path, f"{name}.parquet", label=pa.array(label, pa.string()))
    rows, notes = read(tmp_path, tmp_path)
    assert {row["split"] for row in rows if row["source"].startswith("test")} == {"test"}
    assert notes == []
