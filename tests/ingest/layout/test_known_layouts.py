"""Image folders as well-known datasets are laid out: which classes and splits come of them, and what is said."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from forebay.errors import DataError
from forebay.ingest.detect import detect_source
from forebay.ingest.summary.class_warnings import class_warnings
from forebay.settings import IngestConfig
from support.image_folders import EMPTY, in_folder

Read = tuple[set[tuple[str | None, str | None]], list[str], int]


def classes(above: str, *names: str) -> list[str]:
    return [f"{above}{name}/{number}.jpg" for name in names for number in range(2)]


def read(root: Path, names: Iterable[str], **settings: str) -> Read:
    """What is read of a folder `photos`: (class, split) of its images, what is said, and how many are set aside."""
    in_folder(root / "photos", names)
    (root / "work").mkdir()
    found = detect_source(IngestConfig(data=str(root / "photos"), **settings), root / "work")
    rows = found.index().to_pylist()
    notes = [note.text for note in found.notes]
    return {(row["label_name"], row["split"]) for row in rows}, notes, sum(note.set_aside for note in found.notes)


def refusal(root: Path, names: Iterable[str], **settings: str) -> str:
    with pytest.raises(DataError) as caught:
        read(root, names, **settings)
    return str(caught.value).removeprefix(f"{root}/")


@pytest.mark.parametrize(
    ("names", "left_out"),
    [
        ([*classes("food-101/images/", "cat", "dog"), "food-101/meta/classes.txt", "food-101/meta/train.json"],
         ["The folder food-101/meta/ is left out (0 images): it holds no image."]),
        ([*classes("CUB/images/", "cat", "dog"), "CUB/parts/parts.txt", "CUB/attributes/certainties.txt"],
         ["The folder CUB/attributes/ is left out (0 images): it holds no image.",
          "The folder CUB/parts/ is left out (0 images): it holds no image."]),
        ([*classes("data/", "cat", "dog"), f"models/{EMPTY}"],
         ["The folder models/ is left out (0 images): it holds no image."]),
    ],
)  # fmt: skip
def test_a_folder_of_images_beside_folders_of_texts_is_the_top(
    tmp_path: Path, names: Sequence[str], left_out: list[str]
) -> None:
    assert read(tmp_path, names) == ({("cat", None), ("dog", None)}, left_out, 0)


@pytest.mark.parametrize(
    "names",
    [
        ["102flowers/jpg/image_00001.jpg", "102flowers/jpg/image_00002.jpg", "imagelabels.mat"],
        ["jpg/1.jpg", "png/1.png"],
        ["HAM_images_part_1/1.jpg", "HAM_images_part_2/2.jpg"],
        ["images_001/images/1.png", "images_002/images/2.png"],
        ["batch1/1.png", "batch2/2.png"],
    ],
)
def test_folders_that_only_hold_images_become_no_classes(tmp_path: Path, names: Sequence[str]) -> None:
    assert "would become a class, and its name says that it is none" in refusal(tmp_path, names)


def test_a_single_folder_is_not_advised_to_be_the_class(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["jpg/1.jpg", "jpg/2.jpg"]).endswith(
        "make a folder per class, or name a table of labels with ingest.labels=FILE.csv. (Boxes and masks are not "
        "read.)"
    )


def test_only_a_table_that_names_images_is_advised(tmp_path: Path) -> None:
    in_folder(tmp_path / "photos", ["test1/1.jpg", "train/a.jpg"])
    (tmp_path / "photos" / "areas.csv").write_text("country,area\nx,1\n")
    (tmp_path / "photos" / "sampleSubmission.csv").write_text("id,label\n1,0.5\n")
    (tmp_path / "photos" / "trainLabels.csv").write_text("id,label\na,cat\n")
    assert "name a table of labels with ingest.labels=trainLabels.csv," in refusal(tmp_path, [])


@pytest.mark.parametrize("masks", ["masks", "Mask", "ground_truth", "labels"])
def test_masks_beside_the_images_of_a_class_are_left_out_and_named(tmp_path: Path, masks: str) -> None:
    names = [
        f"{name}/{kind}/{number}.png" for name in ("COVID", "Normal") for kind in ("images", masks) for number in "12"
    ]
    assert read(tmp_path, names) == (
        {("COVID", None), ("Normal", None)},
        [f"Annotations beside the images of a class are left out (4 images): COVID/{masks}/, Normal/{masks}/."],
        0,
    )


def test_masks_below_the_images_of_a_class_are_left_out(tmp_path: Path) -> None:
    found, notes, _ = read(tmp_path, ["cat/1.png", "cat/masks/1.png", "dog/2.png", "dog/labels/3.png"])
    assert notes == ["Annotations beside the images of a class are left out (1 image): cat/masks/."]
    assert found == {("cat", None), ("dog", None)}


@pytest.mark.parametrize("other", ["no_mask", "without-mask", "mask_worn_incorrectly"])
def test_mask_beside_its_denial_is_a_class(tmp_path: Path, other: str) -> None:
    assert read(tmp_path, classes("", "mask", other)) == ({("mask", None), (other, None)}, [], 0)


def test_annotations_are_classes_where_the_first_folder_is_set_to_be_the_class(tmp_path: Path) -> None:
    names = classes("", "gloves", "hats", "masks")
    found, notes, _ = read(tmp_path, names, class_level="1")
    assert (found, notes) == ({("gloves", None), ("hats", None), ("masks", None)}, [])


def test_the_way_to_make_annotations_a_class_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, classes("", "gloves", "hats", "masks"))[1] == [
        "The folder masks/ is left out (2 images): its name says that it holds annotations, not images of a class. "
        "ingest.class_level=1 makes it a class."
    ]


@pytest.mark.parametrize("side", ["test", "val"])
def test_a_split_whose_only_folder_is_no_class_holds_unlabelled_images(tmp_path: Path, side: str) -> None:
    names = [*classes("train/", "cat", "dog"), *classes("valid/", "cat", "dog"), f"{side}_set/unknown/1.jpg"]
    found, notes, set_aside = read(tmp_path, names)
    assert found == {(label, split) for label in ("cat", "dog") for split in ("train", "test")} | {(None, None)}
    assert notes == [
        f"Unlabelled and set aside: 1 image of {side}_set/, whose only folder unknown/ is no class of other splits."
    ]
    assert set_aside == 1


def test_splits_may_be_nested_however_often(tmp_path: Path) -> None:
    names = [*classes("train/train/train/", "cat", "dog"), *classes("test/data/images/", "cat", "dog")]
    found, notes, _ = read(tmp_path, names)
    assert found == {(label, split) for label in ("cat", "dog") for split in ("train", "test")}
    assert notes == []


def test_classes_below_folders_of_which_no_two_hold_the_same_are_asked_for(tmp_path: Path) -> None:
    names = [*classes("p1/", "0"), *classes("p2/", "0"), *classes("p3/", "1"), *classes("p4/", "1")]
    assert "Set ingest.class_level=2 if those are the classes" in refusal(tmp_path, names)


def test_several_folders_of_a_side_are_said_in_the_plural(tmp_path: Path) -> None:
    names = [*classes("train/", "cat", "dog"), *classes("training_set/", "cat", "dog"), "test/1.jpg"]
    assert read(tmp_path, names)[1][1].startswith("Only train/, training_set/ have class folders, so")


@pytest.mark.parametrize("litter", ["cat/0.jpg:Zone.Identifier", "cat/0.jpgZone.Identifier", "Temporary Items/x/1.jpg"])
def test_what_systems_write_beside_images_is_litter(tmp_path: Path, litter: str) -> None:
    assert read(tmp_path, [*classes("", "cat", "dog"), litter]) == ({("cat", None), ("dog", None)}, [], 0)


def test_classes_that_look_alike_are_named() -> None:
    rows = {"Cat": 20, "cat": 20, "dog ": 20, "dog": 20, "owl": 20}
    assert class_warnings(rows, rows, 10) == [
        "Classes whose names differ in nothing but capitals or spaces: 'Cat', 'cat'; 'dog', 'dog '. Are they one?"
    ]
