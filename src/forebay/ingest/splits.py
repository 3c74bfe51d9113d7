"""Words that stand for a side of a data set, in the names of folders, files and values."""

import re

WORDS = {
    "train": ("train", "training", "trainset", "trainval"),
    "validation": ("val", "valid", "validation", "valset", "dev", "devset"),
    "test": ("test", "testing", "testset", "eval", "evaluation"),
}
_SIDES = {word: side for side, words in WORDS.items() for word in words}


def split_word(name: str) -> str | None:
    """The side that a name stands for: train, validation, test, or none of them.

    `Test`, `seg_train`, `training_set`, `train2017` and `validation-00000-of-00002` are such names; one that names two
    sides is none.
    """
    tokens = re.split(r"[\W_]+", name.lower())
    sides = {_SIDES.get(token.rstrip("0123456789")) for token in tokens} - {None}
    return sides.pop() if len(sides) == 1 else None


def own_split(words: set[str]) -> dict[str, str]:
    """What each of some sides is used as, train or test; empty where they are no two sides.

    The test side is held out. Where there is none, validation is; else it joins train: preprocess takes validation rows
    from the training rows by itself.
    """
    held_out = "test" if "test" in words else "validation"
    uses = {word: "test" if word == held_out else "train" for word in words}
    return uses if set(uses.values()) == {"train", "test"} else {}
