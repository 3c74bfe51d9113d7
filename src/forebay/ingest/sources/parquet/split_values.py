"""The split that a Parquet dataset brings: words of a column, of folders or of file names, and their use."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from forebay.ingest.labels.splits import find_split, split_roles
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.parquet.columns import SPLIT_NAMES

PAIR = re.compile(r"([^=]+)=(.*)", re.DOTALL)
NULL = ("", "__HIVE_DEFAULT_PARTITION__", "__null__")  # Hive's and Spark's word, and an older one
BY_CONTENT = "Rows are held out by content instead (preprocess.holdout)."
SHOWN = 5


def partition_values(path: str) -> dict[str, str | None]:
    """What the folders of a path say in Hive's form, key=value, percent-decoded; None stands for null."""
    pairs = [found for part in path.split("/")[:-1] if (found := PAIR.fullmatch(part))]
    return {unquote(pair[1]): None if pair[2] in NULL else unquote(pair[2]) for pair in pairs}


def split_in_path(path: str, folders: Mapping[str, str | None]) -> str | None:
    """The word for a split of a file's place: of split=train/, else of its name, else of the folder closest to it."""
    for key, value in folders.items():
        if key.lower() in SPLIT_NAMES and value is not None and (key.lower() == "split" or find_split(value)):
            return value
    *above, name = path.split("/")
    parts = (name, *(part for part in reversed(above) if not PAIR.fullmatch(part)))
    return next((side for part in parts if (side := find_split(part))), None)


@dataclass
class SplitNames:
    """The words of all rows, and the first file of each."""

    rows: Counter[str | None] = field(default_factory=Counter)  # None: rows that name no split
    first: dict[str | None, str] = field(default_factory=dict)
    labelled: set[str | None] = field(default_factory=set)  # words of rows of which one at least has a label
    clash: str = ""  # a file whose column says another split than its place

    def add(self, word: str | None, rows: int, path: str, *, labelled: bool = True) -> None:
        """Count rows of a file."""
        self.labelled |= {word} if labelled else set()
        self.rows[word] += rows
        self.first.setdefault(word, path)

    def set_aside(self) -> list[SourceNote]:
        """Forget the splits without any label, such as the test rows of a competition, and say so."""
        without = [word for word in self.rows if word is not None and word not in self.labelled]
        notes = []
        for word in without if self.labelled else ():
            rows = self.rows.pop(word)
            where = f"{rows} rows of {word} (such as {self.first[word]})"
            notes.append(SourceNote(f"Unlabelled and set aside: {where}, none of which has a label.", set_aside=rows))
        return notes

    def sides(self) -> set[str]:
        """The sides that words stand for."""
        return {side for word in self.rows if word is not None and (side := find_split(word))}

    def uses(self) -> dict[str | None, str | None]:
        """What the rows of each word are used as: train, test, or nothing certain (None).

        Where some rows are held out, rows of an unknown word and of none are trained on; a row that is marked as held
        out never is.
        """
        sides = self.sides()
        if not all(word is not None and find_split(word) for word in self.rows):
            sides = sides if split_roles(sides) else sides | {"train"}
        split = split_roles(sides)
        return {word: self._use(word, split) for word in self.rows}

    def _use(self, word: str | None, split: Mapping[str, str]) -> str | None:
        if not split or word is None:
            return None
        return split.get(find_split(word) or "", "train")

    def notes(self) -> list[SourceNote]:
        """What a person should know of the split."""
        unknown = sorted(word for word in self.rows if word is not None and not find_split(word))
        texts = self._guessed(unknown) if any(self.uses().values()) else self._dropped(unknown)
        if self.clash:
            texts.append(f"The split column of {self.clash} says another split than its place does; the column counts.")
        return [SourceNote(text) for text in texts]

    def _dropped(self, unknown: list[str]) -> list[str]:
        sides = sorted(self.sides())
        if sides:
            word = next(word for word in self.rows if word is not None and find_split(word))
            also = f", and {_quoted(unknown)}, which is no word for a split" if unknown else ""
            return [
                f"The source's split is dropped: it names only {' and '.join(sides)} rows (such as {self.first[word]})"
                f"{also}, and a split needs training rows and held-out rows. {BY_CONTENT}"
            ]
        if unknown:
            return [
                f"The source's split is dropped: {_quoted(unknown)} (such as in {self.first[unknown[0]]}) stands for "
                f"none of training, validation and test rows. {BY_CONTENT}"
            ]
        return []

    def _guessed(self, unknown: list[str]) -> list[str]:
        texts = []
        if unknown:
            rows = sum(self.rows[word] for word in unknown)
            texts.append(
                f"{rows} rows have the split {_quoted(unknown)}, which stands for none of training, validation and "
                "test rows: they are trained on."
            )
        if None in self.rows:
            texts.append(f"{self.rows[None]} rows name no split (first in {self.first[None]}): they are trained on.")
        return texts


def _quoted(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"{', '.join(repr(word) for word in words[:SHOWN])}{more}"
