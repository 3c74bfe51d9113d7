"""Which folder, file or column value stands for a side of the source's own split: the words that people use for it."""

import re
from collections.abc import Iterable

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_WORDS = {
    **dict.fromkeys(("train", "training", "trainval", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "devel"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"), TEST),
}
# What stands beside such a word without making it another one: seg_train, training_set, train2017, TestImages, trainA.
_FILLERS = frozenset((
    "a", "b", "all", "chunk", "clean", "crop", "cropped", "data", "dataset", "digit", "digits", "ds", "file", "files",
    "final", "fold", "folder", "full", "im", "image", "images", "img", "imgs", "new", "of", "orig", "original", "part",
    "photo", "photos", "pic", "pics", "picture", "pictures", "raw", "resized", "sample", "samples", "seg", "set",
    "sets", "shard", "split", "splits",
))  # fmt: skip
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_LETTERS = re.compile(r"[^\W\d_]+")


def parse_split(name: str) -> str | None:
    """The side that a name stands for: `train`, `validation` or `test`, else None.

    `Train`, `seg_train`, `training_set`, `train2017` and `TestImages` count; `test_tube` and `bullet_train` do not.
    """
    for pattern in (_LETTERS, _TOKEN):  # TRAIN and train-images, then TestImages
        tokens = [token.lower() for token in pattern.findall(name)]
        sides = {_WORDS[token] for token in tokens if token in _WORDS}
        if len(sides) == 1 and all(token in _WORDS or token in _FILLERS for token in tokens):
            return sides.pop()
    return None


def find_split(name: str) -> str | None:
    """The side that a name mentions, whatever else it says: the file `birds-train-00000-of-00002` is of train.

    Words may be told apart by capitals: `trainLabels`, `PublicTest`.

    None where it mentions none, or two.
    """
    for pattern in (_LETTERS, _TOKEN):  # birds-train, then trainLabels and PublicTest
        tokens = [token.lower() for token in pattern.findall(name)]
        sides = {_WORDS[token.removesuffix("set")] for token in tokens if token.removesuffix("set") in _WORDS}
        if sides:
            return sides.pop() if len(sides) == 1 else None
    return None


def parse_splits(names: Iterable[str]) -> dict[str, str]:
    """The sides that names beside each other stand for; those that stand for none are left out.

    Beside each other `birds-train` and `birds-valid` count as well: they differ in nothing but the word.
    """
    names = list(names)
    found = {name: side for name in names if (side := parse_split(name))}
    rests: dict[str, dict[str, str]] = {}
    for name in names:
        tokens = [token.lower() for token in _LETTERS.findall(name)]
        sides = [token for token in tokens if token in _WORDS]
        if name not in found and len(sides) == 1:
            rest = "".join(token for token in tokens if token not in _WORDS)
            rests.setdefault(rest, {})[name] = _WORDS[sides[0]]
    for alike in rests.values():
        if len(set(alike.values())) > 1:
            found |= alike
    return found


def split_roles(sides: Iterable[str]) -> dict[str, str]:
    """What each side of a source means: `train` or `test`; empty where there are not two sides.

    Test rows are held out. Where there are none, the validation rows are; else they join the training rows, of which
    preprocess takes validation rows by itself.
    """
    sides = set(sides)
    held_out = TEST if TEST in sides else VALIDATION
    meanings = {side: "test" if side == held_out else "train" for side in sides}
    return meanings if set(meanings.values()) == {"train", "test"} else {}
