"""The errors for folders that can be read in several ways: each names the folder, the rule, and what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forebay.errors import DataError
from forebay.ingest.labels.splits import parse_split
from forebay.ingest.layout.tree import SourceFolder

LEVEL_ADVICE = "set ingest.class_level=1 to take the first folder as the class all the same"


@dataclass(frozen=True)
class LayoutErrors:
    """The errors for the folders of one source."""

    data: str  # the source as the user names it
    find_label_table: Callable[[], str]  # returns the path of a file that may hold labels; empty where there is none

    def split_or_class(
        self, splits: Sequence[SourceFolder], others: Sequence[SourceFolder], *, flat: bool
    ) -> DataError:
        """The error for split folders that hold no class folders, or lie beside folders that are no splits."""
        names = _listed(splits)
        if not others:
            problem = f"{names} would become classes, and such names stand for splits: they hold no class folders"
            where = f"a folder per class ({splits[0].path}/CLASS/…)"
            return self._error(problem, f"Put the images into {where}{self._alternatives(len(splits))}.")
        reason = "it holds no class folders" if flat else f"{_listed(others)} beside it is no split"
        return self._error(
            f"is {names} a split or a class? The name stands for a split, but {reason}",
            "Rename it if it is a class; if it is a split, put the classes of the others into a split folder as "
            f"well, or move it elsewhere if its images are unlabelled; or {LEVEL_ADVICE}.",
        )

    def class_named_like_split(self, folder: SourceFolder, base: SourceFolder) -> DataError:
        """The error for a would-be class whose name stands for a split."""
        return self._error(
            f"the folder {folder.path}/ would become a class, and its name stands for a split",
            f"Rename it if it is a class, move it out of {base.path or self.data}/ if not, or {LEVEL_ADVICE}.",
        )

    def name_of_no_class(self, folder: SourceFolder, siblings: int) -> DataError:
        """The error for a would-be class whose name no class has; `siblings` are folders with images beside it."""
        return self._error(
            f"the folder {folder.path}/ would become a class, and its name says that it is none",
            "Images get their label from the folder they lie in: make a "
            f"folder per class{self._alternatives(siblings)}. (Boxes and masks are not read.)",
        )

    def classes_share_folders(
        self, first: SourceFolder, second: SourceFolder, level: int, names: Sequence[str]
    ) -> DataError:
        """The error for two would-be classes that hold folders of the same names.

        Args:
            first: one of the two.
            second: the other one.
            level: level of the shared folders, counted from 1 below the split folders or the top.
            names: names of the shared folders.
        """
        problem = f"the folders {first.path}/ and {second.path}/ would become classes, and both hold {_some(names)}"
        if all(parse_split(name) for name in names):
            above = ", ".join(f"{name}/{first.name}/" for name in sorted(names, reverse=True)[:2])
            fix = (
                f"Put each split above its classes ({above}), or set ingest.class_level=1 to split the rows by content."
            )
            return self._error(problem, fix)
        return self._error(
            problem,
            f"Set ingest.class_level={level} if those are the classes, or ingest.class_level=1 if {first.name} and "
            f"{second.name} are.",
        )

    def contains_itself(self, inner: SourceFolder, names: Sequence[str]) -> DataError:
        """The error for a source that holds its own folders once more."""
        return self._error(
            f"the folder {inner.path}/ holds {_some(names)} once more, which lie beside it already",
            f"An archive was unpacked into itself, perhaps: remove {inner.path}/ or what lies beside it.",
        )

    def class_contains_splits(
        self, folder: SourceFolder, names: Sequence[str], siblings: Sequence[SourceFolder]
    ) -> DataError:
        """The error for a would-be class that holds splits, which its siblings do not."""
        others = f" ({_listed(siblings)})" if siblings else ""
        return self._error(
            f"the folder {folder.path}/ would become a class, and it holds {_some(names)}, which stand for splits",
            f"If {folder.path}/ is the dataset, give it without what lies beside it{others}, or {LEVEL_ADVICE}.",
        )

    def _error(self, problem: str, fix: str) -> DataError:
        return DataError(source=self.data, problem=problem, fix=fix)

    def _alternatives(self, folders: int) -> str:
        """What else to do where so many folders would be classes; one class alone would not help."""
        table = f"name a table of labels with ingest.labels={self.find_label_table() or 'FILE.csv'}"
        return f", {table}, or {LEVEL_ADVICE}" if folders > 1 else f", or {table}"


def _listed(folders: Sequence[SourceFolder]) -> str:
    return ", ".join(f"{folder.path}/" for folder in folders[:4])


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in sorted(names)[:3])
