"""What is said where folders can be read in several ways: the folder, the rule, and what to do."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from forebay.errors import DataError
from forebay.ingest.labels.splits import parse_split
from forebay.ingest.layout.tree import SourceFolder

LEVEL = "set ingest.class_level=1 to take the first folder as the class all the same"


@dataclass(frozen=True)
class LayoutErrors:
    """The errors for the folders of one source."""

    data: str  # what a person calls it
    table: Callable[[], str]  # a file that may hold labels; empty where there is none

    def class_like_a_split(
        self, splits: Sequence[SourceFolder], others: Sequence[SourceFolder], *, flat: bool
    ) -> DataError:
        """The error for split folders without class folders, or beside folders that are no splits."""
        names = _listed(splits)
        if not others:
            problem = f"{names} would become classes, and such names stand for splits: they hold no class folders"
            where = f"a folder per class ({splits[0].path}/CLASS/…)"
            fix = f"Put the images into {where}{self._other_ways(len(splits))}."
            return DataError(source=self.data, problem=problem, fix=fix)
        reason = "it holds no class folders" if flat else f"{_listed(others)} beside it is no split"
        return DataError(
            source=self.data,
            problem=f"is {names} a split or a class? The name stands for a split, but {reason}",
            fix="Rename it if it is a class; if it is a split, put the classes of the others into a split folder as "
            f"well, or move it elsewhere if its images are unlabelled; or {LEVEL}.",
        )

    def check_class_names(
        self, base: SourceFolder, classes: Sequence[SourceFolder], non_classes: Collection[SourceFolder]
    ) -> None:
        """Refuse classes with names that folders of classes do not have.

        Raises:
            DataError: a class would be called like a split, or like what lies beside classes.
        """
        several = sum(folder.all_images() > 0 for folder in base.folders.values())
        for folder in classes:
            if parse_split(folder.name):
                raise DataError(
                    source=self.data,
                    problem=f"the folder {folder.path}/ would become a class, and its name stands for a split",
                    fix=f"Rename it if it is a class, move it out of {base.path or self.data}/ if not, or {LEVEL}.",
                )
            if folder in non_classes:
                raise DataError(
                    source=self.data,
                    problem=f"the folder {folder.path}/ would become a class, and its name says that it is none",
                    fix="Images get their label from the folder they lie in: make a "
                    f"folder per class{self._other_ways(several)}. (Boxes and masks are not read.)",
                )

    def same_folders(self, first: SourceFolder, second: SourceFolder, level: int, names: Sequence[str]) -> DataError:
        """The error for two classes that hold the same folders, so many levels below the top or the split."""
        problem = f"the folders {first.path}/ and {second.path}/ would become classes, and both hold {_some(names)}"
        if all(parse_split(name) for name in names):
            above = ", ".join(f"{name}/{first.name}/" for name in sorted(names, reverse=True)[:2])
            fix = (
                f"Put each split above its classes ({above}), or set ingest.class_level=1 to split the rows by content."
            )
            return DataError(source=self.data, problem=problem, fix=fix)
        return DataError(
            source=self.data,
            problem=problem,
            fix=f"Set ingest.class_level={level} if those are the classes, or ingest.class_level=1 if {first.name} and "
            f"{second.name} are.",
        )

    def holds_itself(self, inner: SourceFolder, names: Sequence[str]) -> DataError:
        """The error for a source that holds itself once more."""
        return DataError(
            source=self.data,
            problem=f"the folder {inner.path}/ holds {_some(names)} once more, which lie beside it already",
            fix=f"An archive was unpacked into itself, perhaps: remove {inner.path}/ or what lies beside it.",
        )

    def holds_splits(self, folder: SourceFolder, names: Sequence[str], beside: Sequence[SourceFolder]) -> DataError:
        """The error for a would-be class that holds splits, as the others do not."""
        others = f" ({_listed(beside)})" if beside else ""
        return DataError(
            source=self.data,
            problem=f"the folder {folder.path}/ would become a class, and it holds {_some(names)}, which stand for "
            "splits",
            fix=f"If {folder.path}/ is the dataset, give it without what lies beside it{others}, or {LEVEL}.",
        )

    def _other_ways(self, folders: int) -> str:
        """What else to do where so many folders would be classes; a single class is none that helps."""
        table = f"name a table of labels with ingest.labels={self.table() or 'FILE.csv'}"
        return f", {table}, or {LEVEL}" if folders > 1 else f", or {table}"


def _listed(folders: Sequence[SourceFolder]) -> str:
    return ", ".join(f"{folder.path}/" for folder in folders[:4])


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in sorted(names)[:3])
