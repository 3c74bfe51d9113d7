"""Which split the name of a folder, a file or a column's value stands for: the words that people use for it."""

import re
from collections.abc import Iterable

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_WORDS = {
    **dict.fromkeys(("train", "training", "trainval", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "devel"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"), TEST),
}
# Words that may stand beside a split's without changing it: seg_train, training_set, train2017, TestImages, trainA.
_FILLERS = frozenset((
    "a", "b", "all", "chunk", "clean", "crop", "cropped", "data", "dataset", "digit", "digits", "ds", "file", "files",
    "final", "fold", "folder", "full", "im", "image", "images", "img", "imgs", "new", "of", "orig", "original", "part",
    "photo", "photos", "pic", "pics", "picture", "pictures", "raw", "resized", "sample", "samples", "seg", "set",
    "sets", "shard", "split", "splits",
))  # fmt: skip
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_LETTERS = re.compile(r"[^\W\d_]+")


def parse_split(name: str) -> str | None:
    """The split that a whole name stands for: `train`, `validation` or `test`, else None.

    `Train`, `seg_train`, `training_set`, `train2017` and `TestImages` count; `test_tube` and `bullet_train` do not.
    """
    for pattern in (_LETTERS, _TOKEN):  # TRAIN and train-images, then TestImages
        tokens = [token.lower() for token in pattern.findall(name)]
        splits = {_WORDS[token] for token in tokens if token in _WORDS}
        if len(splits) == 1 and all(token in _WORDS or token in _FILLERS for token in tokens):
            return splits.pop()
    return None


def find_split(name: str) -> str | None:
    """The split that a name mentions, whatever else it says; None where it mentions none, or two.

    The file `birds-train-00000-of-00002` holds training rows. Capitals may separate words: `trainLabels`, `PublicTest`.
    """
    for pattern in (_LETTERS, _TOKEN):  # birds-train, then trainLabels and PublicTest
        tokens = [token.lower().removesuffix("set") for token in pattern.findall(name)]
        splits = {_WORDS[token] for token in tokens if token in _WORDS}
        if splits:
            return splits.pop() if len(splits) == 1 else None
    return None


def parse_splits(names: Iterable[str]) -> dict[str, str]:
    """The splits that sibling names stand for; names that stand for none are left out.

    Among siblings, `birds-train` and `birds-valid` count as well: they differ only in the split's word.
    """
    names = list(names)
    found = {name: split for name in names if (split := parse_split(name))}
    by_rest: dict[str, dict[str, str]] = {}  # by the name without the split's word
    for name in names:
        tokens = [token.lower() for token in _LETTERS.findall(name)]
        words = [token for token in tokens if token in _WORDS]
        if name not in found and len(words) == 1:
            rest = "".join(token for token in tokens if token not in _WORDS)
            by_rest.setdefault(rest, {})[name] = _WORDS[words[0]]
    for siblings in by_rest.values():
        if len(set(siblings.values())) > 1:
            found |= siblings
    return found


def split_roles(splits: Iterable[str]) -> dict[str, str]:
    """What the rows of each split are used for: `train` or `test`; empty where they would all be used alike.

    Test rows are held out. Without test rows, the validation rows are held out. Otherwise they join the training rows,
    of which preprocess takes validation rows itself.
    """
    splits = set(splits)
    held_out = TEST if TEST in splits else VALIDATION
    roles = {split: "test" if split == held_out else "train" for split in splits}
    return roles if set(roles.values()) == {"train", "test"} else {}
