"""How the folders of a source become classes and splits: the rules of docs/data.md, and every refusal in its words."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import DataError
from forebay.ingest.detect import DetectedSource, detect_source
from forebay.ingest.labels.splits import parse_split, parse_splits, split_roles
from forebay.settings import IngestConfig
from support.image_folders import EMPTY, REFUSED, in_folder
from support.paths import ROOT

DOCS = ROOT / "docs" / "data.md"

Row = tuple[str, str | None, str | None]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read files of these names in a folder `photos`: rows of (path, class, split), and what is said."""
    (tmp_path / "work").mkdir()

    def index(*names: str, **settings: Any) -> tuple[list[Row], list[str], DetectedSource]:
        in_folder(tmp_path / "photos", names)
        monkeypatch.chdir(tmp_path)
        found = detect_source(IngestConfig(data="photos", **settings), tmp_path / "work")
        rows = found.index().sort_by("position").to_pylist()
        return (
            [(row["source"], row["label_name"], row["split"]) for row in rows],
            [note.text for note in found.notes],
            found,
        )

    return index


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (
            ["train/cat/1.png", "Test/cat/2.png"],
            [("Test/cat/2.png", "cat", "test"), ("train/cat/1.png", "cat", "train")],
        ),
        (
            ["train/cat/1.png", "valid/cat/2.png"],
            [("train/cat/1.png", "cat", "train"), ("valid/cat/2.png", "cat", "test")],
        ),
        (
            ["training_set/cat/1.png", "dev/cat/2.png", "test_set/cat/3.png"],
            [
                ("dev/cat/2.png", "cat", "train"),
                ("test_set/cat/3.png", "cat", "test"),
                ("training_set/cat/1.png", "cat", "train"),
            ],
        ),
        (
            ["seg_train/seg_train/cat/1.png", "seg_test/seg_test/cat/2.png"],
            [("seg_test/seg_test/cat/2.png", "cat", "test"), ("seg_train/seg_train/cat/1.png", "cat", "train")],
        ),
        (
            ["train/images/cat/1.png", "test/images/cat/2.png"],
            [("test/images/cat/2.png", "cat", "test"), ("train/images/cat/1.png", "cat", "train")],
        ),
        (
            ["birds-train/owl/1.png", "birds-valid/owl/2.png"],
            [("birds-train/owl/1.png", "owl", "train"), ("birds-valid/owl/2.png", "owl", "test")],
        ),
        (
            ["train/n01/images/1.JPEG", "train/n02/images/2.JPEG", "val/n01/images/3.JPEG"],
            [
                ("train/n01/images/1.JPEG", "n01", "train"),
                ("train/n02/images/2.JPEG", "n02", "train"),
                ("val/n01/images/3.JPEG", "n01", "test"),
            ],
        ),
    ],
)
def test_splits_are_recognised_by_the_usual_words_and_nested_once(
    read: Any, names: Sequence[str], rows: list[Row]
) -> None:
    found, notes, _ = read(*names)
    assert (found, notes) == (rows, [])


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *((name, "train") for name in ("train", "TRAIN", "training", "seg_train", "training_set", "trainA")),
        *((name, "validation") for name in ("val", "Valid", "dev", "validation_data")),
        *((name, "test") for name in ("test", "testing", "test (1)", "eval_set", "TestImages")),
        *((name, None) for name in ("test_tube", "bullet_train", "devices", "attest", "invalid", "cat", "train_test")),
    ],
)  # fmt: skip
def test_a_compound_counts_where_nothing_else_is_named(name: str, side: str | None) -> None:
    assert parse_split(name) == side


def test_names_beside_each_other_may_differ_in_nothing_but_the_word() -> None:
    assert parse_splits(["birds-train", "birds-valid"]) == {"birds-train": "train", "birds-valid": "validation"}
    assert parse_splits(["bullet_train", "passenger_ferry"]) == {}


@pytest.mark.parametrize(
    ("sides", "meanings"),
    [
        ({"train", "test"}, {"train": "train", "test": "test"}),
        ({"train", "validation"}, {"train": "train", "validation": "test"}),
        ({"train", "validation", "test"}, {"train": "train", "validation": "train", "test": "test"}),
        ({"test", "validation"}, {"test": "test", "validation": "train"}),
        ({"train"}, {}),
        (set(), {}),
    ],
)
def test_test_rows_are_held_out_else_validation_rows(sides: set[str], meanings: dict[str, str]) -> None:
    assert split_roles(sides) == meanings


def test_flat_images_beside_class_folders_are_set_aside_and_counted(read: Any) -> None:
    rows, notes, found = read("train/cat/1.png", "train/dog/2.png", "val/a.JPEG", "val/b.JPEG")
    assert rows == [
        ("train/cat/1.png", "cat", None),
        ("train/dog/2.png", "dog", None),
        ("val/a.JPEG", None, None),
        ("val/b.JPEG", None, None),
    ]
    assert notes == [
        "Unlabelled and set aside: 2 images of val/, which has no class folders as other splits have.",
        "Only train/ has class folders, so there are no two sides of a split: the rows are split by content.",
    ]
    assert sum(note.set_aside for note in found.notes) == 2


def test_a_flat_test_folder_leaves_train_and_val_the_split(read: Any) -> None:
    rows, notes, _ = read("train/cat/1.png", "val/cat/2.png", "test/3.png", "test/4.png")
    assert rows == [
        ("test/3.png", None, None),
        ("test/4.png", None, None),
        ("train/cat/1.png", "cat", "train"),
        ("val/cat/2.png", "cat", "test"),
    ]
    assert notes == ["Unlabelled and set aside: 2 images of test/, which has no class folders as other splits have."]


@pytest.mark.parametrize(
    ("third", "why"),
    [
        ("ground_truth/broken/1.png", "its name says that it holds annotations, not images of a class"),
        ("Annotations/1.png", "its name says that it holds annotations, not images of a class"),
        ("seg_pred/seg_pred/1.png", "it is no split, and beside splits only splits count"),
        ("extra/cat/1.png", "it is no split, and beside splits only splits count"),
    ],
)
def test_a_third_folder_beside_splits_is_left_out_and_named(read: Any, third: str, why: str) -> None:
    rows, notes, _ = read("train/good/1.png", "test/good/2.png", "test/broken/3.png", third)
    assert rows == [
        ("test/broken/3.png", "broken", "test"),
        ("test/good/2.png", "good", "test"),
        ("train/good/1.png", "good", "train"),
    ]
    assert notes == [f"The folder {third.partition('/')[0]}/ is left out (1 image): {why}."]


@pytest.mark.parametrize("name", ["masks", "labels", "annotations", "gt"])
def test_annotations_beside_classes_are_left_out_and_named(read: Any, name: str) -> None:
    rows, notes, _ = read("images/cat/1.png", "images/dog/2.png", f"{name}/cat/1.png")
    assert rows == [("images/cat/1.png", "cat", None), ("images/dog/2.png", "dog", None)]
    assert [note.partition(" is left out (1 image)")[0] for note in notes] == [f"The folder {name}/"]


def test_an_empty_class_folder_is_named(read: Any) -> None:
    rows, notes, _ = read("cat/1.png", "dog/2.png", f"fish/{EMPTY}")
    assert [label for _, label, _ in rows] == ["cat", "dog"]
    assert notes == ["The folder fish/ holds no image; the model learns nothing of 'fish' there."]


def test_a_class_folder_with_nothing_but_captions_is_named_and_its_neighbour_stays_a_class(read: Any) -> None:
    rows, notes, _ = read("cat/young/1.png", "cat/old/2.png", "dog/3.txt")
    assert [label for _, label, _ in rows] == ["cat", "cat"]
    assert notes[0] == "The folder dog/ holds no image; the model learns nothing of 'dog' there."


def test_sidecars_are_passed_over_and_counted(read: Any) -> None:
    sidecars = [f"cat/{number}{suffix}" for number in range(2) for suffix in (".txt", ".json", ".xml")]
    rows, notes, _ = read("cat/0.png", "dog/0.png", *sidecars, "dog/0.npy", "dog/0.h5", "dog/0.csv")
    assert [source for source, _, _ in rows] == ["cat/0.png", "dog/0.png"]
    assert notes == ["Passed over as no images: 9 files (.json (2), .txt (2), .xml (2)), such as cat/0.json."]


@pytest.mark.parametrize(
    "litter",
    [
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
        "__MACOSX",
        "System Volume Information",
        ".cache",
        "#Snapshot",
    ],
)
def test_folders_that_systems_leave_are_no_classes(read: Any, litter: str) -> None:
    rows, notes, _ = read("cat/1.png", "dog/2.png", f"{litter}/old.png", f"cat/{litter}/thumb.jpg")
    assert ([label for _, label, _ in rows], notes) == (["cat", "dog"], [])


@pytest.mark.parametrize("litter", ["thumbs.db", "THUMBS.DB", "Desktop.ini", ".DS_Store", "._1.png", "ehthumbs.db"])
def test_files_that_systems_leave_are_no_images(read: Any, litter: str) -> None:
    rows, notes, _ = read("cat/1.png", "dog/2.png", f"cat/{litter}")
    assert ([source for source, _, _ in rows], notes) == (["cat/1.png", "dog/2.png"], [])


def test_names_that_differ_only_in_how_unicode_writes_them_are_one_class(read: Any) -> None:
    rows, _, _ = read("train/cafe\u0301/1.png", "test/caf\u00e9/2.png", "train/u\u0308/3.png")
    assert [label for _, label, _ in rows] == ["caf\u00e9", "caf\u00e9", "u\u0308"]


def test_the_level_of_the_class_can_be_set(read: Any) -> None:
    names = ["day/cat/1.png", "day/dog/2.png", "night/cat/3.png", "night/dog/4.png", "night/5.png"]
    assert [label for _, label, _ in read(*names, class_level="2")[0]] == ["cat", "dog", None, "cat", "dog"]
    assert [label for _, label, _ in read(class_level="1")[0]] == ["day", "day", "night", "night", "night"]


def test_a_level_that_is_set_takes_any_name(read: Any) -> None:
    assert [row[1:] for row in read("bus/1.png", "train/2.png", class_level="1")[0]] == [("bus", None), ("train", None)]


def test_deep_folders_belong_to_their_class_however_deep(read: Any) -> None:
    deep = "/".join(["d"] * 100)
    rows, _, _ = read(f"cat/{deep}/1.png", "dog/2.png")
    assert [label for _, label, _ in rows] == ["cat", "dog"]


@pytest.mark.parametrize(("names", "message"), REFUSED, ids=[" ".join(names)[:60] for names, _ in REFUSED])
def test_a_layout_that_can_be_read_in_several_ways_is_refused_in_the_words_of_the_docs(
    read: Any, names: Sequence[str], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(*names)
    assert str(caught.value) == message
    assert message in " ".join(DOCS.read_text().split())


def test_the_docs_show_no_refusal_that_nothing_gives() -> None:
    shown = [" ".join(block.split()) for block in DOCS.read_text().split("```text\n")[1:]]
    refusals = [block.partition(" ```")[0] for block in shown]
    assert {text for text in refusals if text.startswith("photos: ")} == {message for _, message in REFUSED}


def test_any_order_of_files_gives_the_same_classes(read: Any) -> None:
    names = ["train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/4.png", "notes/5.png", "test/6.png"]
    first = read(*names)[:2]
    random.Random(1).shuffle(names)
    assert read(*names)[:2] == first
