"""Folders of files by their names, and the layouts that are refused with the words of the refusal."""

from collections.abc import Iterable
from pathlib import Path

EMPTY = "<empty>"  # in the place of a file name: the folder is there, with nothing in it


def in_folder(root: Path, names: Iterable[str]) -> Path:
    """Write a file for each name; its content is its name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith(EMPTY):
            (root / name).write_bytes(name.encode())
    return root


LEVEL = "or set ingest.class_level=1 to take the first folder as the class all the same."

REFUSED: list[tuple[list[str], str]] = [
    (
        ["train/1.png", "test/2.png"],
        "photos: test/, train/ would become classes, and such names stand for splits: they hold no class folders. "
        "Put the "
        "images into a folder per class (test/CLASS/…), name a table of labels with ingest.labels=FILE.csv, " + LEVEL,
    ),
    (
        ["train/images/1.png", "train/labels/1.txt", "valid/images/2.png", "valid/labels/2.txt", "list.csv"],
        "photos: train/images/, valid/images/ would become classes, and such names stand for splits: they hold no "
        "class "
        "folders. Put the images into a folder per class (train/images/CLASS/…), name a table of labels with "
        "ingest.labels=list.csv, " + LEVEL,
    ),
    (
        ["cat/1.png", "dog/2.png", "test/3.png"],
        "photos: is test/ a split or a class? The name stands for a split, but it holds no class folders. Rename it "
        "if it "
        "is a class; if it is a split, put the classes of the others into a split folder as well, or move it "
        "elsewhere if "
        "its images are unlabelled; " + LEVEL,
    ),
    (
        ["train/engine/1.png", "train/wagon/2.png", "bus/3.png"],
        "photos: is train/ a split or a class? The name stands for a split, but bus/ beside it is no split. Rename "
        "it if "
        "it is a class; if it is a split, put the classes of the others into a split folder as well, or move it "
        "elsewhere "
        "if its images are unlabelled; " + LEVEL,
    ),
    (
        ["train/train/1.png", "train/bus/2.png", "test/train/3.png", "test/bus/4.png"],
        "photos: the folder test/train/ would become a class, and its name stands for a split. Rename it if it is a "
        "class, move it out of test/ if not, " + LEVEL,
    ),
    (
        ["images/1.png", "masks/1.png"],
        "photos: the folder images/ would become a class, and its name says that it is none. Images get their label "
        "from the folder they lie in: make a folder per class, name a table of labels with ingest.labels=FILE.csv, "
        f"{LEVEL} (Boxes and masks are not read.)",
    ),
    (
        ["day/cat/1.png", "day/dog/2.png", "night/cat/3.png", "night/dog/4.png"],
        "photos: the folders day/ and night/ would become classes, and both hold cat/, dog/. Set "
        "ingest.class_level=2 if "
        "those are the classes, or ingest.class_level=1 if day and night are.",
    ),
    (
        ["amazon/images/bag/1.png", "amazon/images/bike/2.png", "dslr/images/bag/3.png", "dslr/images/bike/4.png"],
        "photos: the folders amazon/ and dslr/ would become classes, and both hold bag/, bike/. Set "
        "ingest.class_level=3 "
        "if those are the classes, or ingest.class_level=1 if amazon and dslr are.",
    ),
    (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png"],
        "photos: the folders cat/ and dog/ would become classes, and both hold test/, train/. Put each split above its "
        "classes (train/cat/, test/cat/), or set ingest.class_level=1 to split the rows by content.",
    ),
    (
        ["birds/train/owl/1.png", "birds/test/owl/2.png", "old/3.png"],
        "photos: the folder birds/ would become a class, and it holds test/, train/, which stand for splits. If birds/ "
        "is the dataset, give it without what lies beside it (old/), " + LEVEL,
    ),
    (
        ["xray/train/a/1.png", "xray/test/a/2.png", "train/a/1.png", "test/a/2.png"],
        "photos: the folder xray/ holds test/, train/ once more, which lie beside it already. An archive was unpacked "
        "into itself, perhaps: remove xray/ or what lies beside it.",
    ),
]
