"""The names of splits that the rows of a source bear, and what those rows are used for."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from forebay.ingest.labels.splits import find_split, split_roles
from forebay.ingest.source_note import SourceNote
from forebay.text import join_names

BY_CONTENT = "Rows are held out by content instead (preprocess.holdout)."
NAMES_SHOWN = 5


@dataclass
class SplitNames:
    """How many rows bear each name of a split, and the first file of each name."""

    rows: Counter[str | None] = field(default_factory=Counter)  # None counts rows that name no split
    first_file: dict[str | None, str] = field(default_factory=dict)
    labelled: set[str | None] = field(default_factory=set)  # names of which at least one row has a label
    conflict: str = ""  # a file whose column says another split than its path

    def add(self, name: str | None, rows: int, path: str, *, labelled: bool = True) -> None:
        """Count rows of a file."""
        self.labelled |= {name} if labelled else set()
        self.rows[name] += rows
        self.first_file.setdefault(name, path)

    def drop_unlabelled(self) -> list[SourceNote]:
        """Forget the splits without any label, such as a competition's test rows, and return notes on them."""
        dropped = [name for name in self.rows if name is not None and name not in self.labelled]
        notes = []
        for name in dropped if self.labelled else ():
            rows = self.rows.pop(name)
            where = f"{rows} rows of {name} (such as {self.first_file[name]})"
            notes.append(SourceNote(f"Unlabelled and set aside: {where}, none of which has a label.", set_aside=rows))
        return notes

    def splits(self) -> set[str]:
        """The splits that the names stand for."""
        return {split for name in self.rows if name is not None and (split := find_split(name))}

    def roles(self) -> dict[str | None, str | None]:
        """By name, what its rows are used for: train, test, or None where that is open.

        Where some rows are held out, rows with an unknown name and rows without one are trained on. A row that is
        marked as held out is never trained on.
        """
        splits = self.splits()
        if not all(name is not None and find_split(name) for name in self.rows):
            splits = splits if split_roles(splits) else splits | {"train"}
        roles = split_roles(splits)
        return {name: self._role(name, roles) for name in self.rows}

    def _role(self, name: str | None, roles: Mapping[str, str]) -> str | None:
        if not roles or name is None:
            return None
        return roles.get(find_split(name) or "", "train")

    def notes(self) -> list[SourceNote]:
        """What a person should know about the split."""
        unknown = sorted(name for name in self.rows if name is not None and not find_split(name))
        texts = self._on_assumed_training(unknown) if any(self.roles().values()) else self._on_dropped_split(unknown)
        if self.conflict:
            texts.append(
                f"The split column of {self.conflict} says another split than its place does; the column counts."
            )
        return [SourceNote(text) for text in texts]

    def _on_dropped_split(self, unknown: list[str]) -> list[str]:
        splits = sorted(self.splits())
        if splits:
            name = next(name for name in self.rows if name is not None and find_split(name))
            also = f", and {_quoted(unknown)}, which is no word for a split" if unknown else ""
            return [
                f"The source's split is dropped: it names only {' and '.join(splits)} rows "
                f"(such as {self.first_file[name]}){also}, and a split needs training rows and held-out rows. "
                f"{BY_CONTENT}"
            ]
        if unknown:
            return [
                f"The source's split is dropped: {_quoted(unknown)} (such as in {self.first_file[unknown[0]]}) stands "
                f"for none of training, validation and test rows. {BY_CONTENT}"
            ]
        return []

    def _on_assumed_training(self, unknown: list[str]) -> list[str]:
        texts = []
        if unknown:
            rows = sum(self.rows[name] for name in unknown)
            texts.append(
                f"{rows} rows have the split {_quoted(unknown)}, which stands for none of training, validation and "
                "test rows: they are trained on."
            )
        if None in self.rows:
            texts.append(
                f"{self.rows[None]} rows name no split (first in {self.first_file[None]}): they are trained on."
            )
        return texts


def _quoted(names: list[str]) -> str:
    return join_names([repr(name) for name in names], NAMES_SHOWN)
