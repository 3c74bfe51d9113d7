"""The rules of an image folder: which folder is the top, which are splits, which are classes. Pure.

docs/data.md states them for people, in this order.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from forebay.ingest.labels.splits import TRAIN, parse_splits, split_roles
from forebay.ingest.layout.folder_names import (
    ANNOTATION_NAMES,
    WRAPPER_NAMES,
    annotation_folders,
    is_negated_beside,
    non_class_folders,
)
from forebay.ingest.layout.layout_errors import LayoutErrors
from forebay.ingest.layout.tree import SourceFolder, counted
from forebay.ingest.source_note import SourceNote

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ImageLabel:
    """What the images of a folder are."""

    label: str | None = None
    split: str | None = None  # train or test
    detail: str = "outside every class folder"  # why there is no label
    left_out: bool = False  # neither a class nor unlabelled: passed over, and said


@dataclass
class FolderLayout:
    """What each folder of a source means."""

    labels: dict[str, ImageLabel] = field(default_factory=dict)  # by path of the folder
    notes: list[SourceNote] = field(default_factory=list)


def read_layout(
    top: SourceFolder, data: str, class_level: int | None = None, table: Callable[[], str] = lambda: ""
) -> FolderLayout:
    """Find classes and splits in the folders of a source.

    Args:
        top: the source.
        data: what a person calls it, for messages.
        class_level: which folder below the splits, or below the top, names the class; None for the first, where that
            is not in doubt.
        table: gives a file that may hold labels, for messages; empty where there is none.

    Raises:
        DataError: the folders can be read in several ways, or in none that gives classes.
    """
    reader = _LayoutReader(LayoutErrors(data, table), class_level, FolderLayout())
    reader.read(top)
    return reader.layout


@dataclass
class _LayoutReader:
    errors: LayoutErrors
    class_level: int | None
    layout: FolderLayout

    def read(self, top: SourceFolder) -> None:
        base = self._descend(top)
        folders = self._beside(base)
        sides = parse_splits(folder.name for folder in folders)
        splits = {
            folder.name: self._inside_split(folder, sides[folder.name]) for folder in folders if folder.name in sides
        }
        classes = {name: names for name, folder in splits.items() if (names := self._class_names(folder))}
        strangers = {} if self.class_level else _unlabelled_splits(classes, sides)
        with_classes = [name for name in classes if name not in strangers]
        others = [folder for folder in folders if folder.name not in sides]
        if with_classes and (len(set(sides.values())) > 1 or not others):
            self._read_splits(splits, sides, with_classes, strangers)
            self._leave_out_annotations(base, folders)
            self._leave_out(others, "it is no split, and beside splits only splits count")
        elif splits and self.class_level is None:
            raise self.errors.class_like_a_split(list(splits.values()), others, flat=not with_classes)
        else:
            self._read_classes(base, None)

    def _descend(self, folder: SourceFolder) -> SourceFolder:
        """Through folders that hold nothing but one other folder, down to the one that holds splits or classes."""
        while True:
            below = self._beside(folder)
            self._check_not_nested(folder, below)
            filled = _filled(below)
            alone = len(below) == 1 or self._is_beside_texts(filled)
            if not alone or not filled or not _filled(self._beside(filled[0])):
                return folder
            self._leave_out_annotations(folder, below)
            self._leave_out((each for each in below if each is not filled[0]), "it holds no image")
            folder = filled[0]

    def _is_beside_texts(self, filled: Sequence[SourceFolder]) -> bool:
        """Tell `images/` beside `meta/`, as Food-101 and CUB have it: the only folder with images, and no class."""
        return self.class_level is None and len(filled) == 1 and filled[0].name.lower() in WRAPPER_NAMES

    def _beside(self, folder: SourceFolder) -> list[SourceFolder]:
        """The folders in it that may be splits or classes: with images or empty, and no annotations of others."""
        below = list(folder.folders.values())
        kept = [each for each in below if each.name.lower() not in ANNOTATION_NAMES or is_negated_beside(each, below)]
        return kept if _filled(kept) else below

    def _class_names(self, split: SourceFolder) -> set[str]:
        return {unicodedata.normalize("NFC", folder.name) for folder in _filled(self._beside(split))}

    def _inside_split(self, folder: SourceFolder, side: str) -> SourceFolder:
        """The folder with a split's classes: `seg_train/seg_train` and `train/images` are nested."""
        while len(below := self._beside(folder)) == 1 and not folder.images:
            name = below[0].name
            nested = parse_splits([name]).get(name) == side or name.lower() == folder.name.lower()
            if not nested and name.lower() not in WRAPPER_NAMES:
                break
            folder = below[0]
        return folder

    def _read_splits(
        self, splits: dict[str, SourceFolder], sides: dict[str, str], with_classes: list[str], strangers: dict[str, str]
    ) -> None:
        meanings = split_roles(sides[name] for name in with_classes)
        for name, folder in splits.items():
            if name in with_classes:
                self._read_classes(folder, meanings.get(sides[name]))
            else:
                self._set_aside(folder, name, strangers.get(name))
        if not meanings:
            have = "has" if len(with_classes) == 1 else "have"
            self._note(
                f"Only {_listed(with_classes)} {have} class folders, so there are no two sides of a split: the rows "
                "are split by content."
            )

    def _set_aside(self, folder: SourceFolder, name: str, stranger: str | None) -> None:
        images = folder.all_images()
        detail = f"{name}/ has no folder of a class" if stranger else f"{name}/ has no class folders"
        why = (
            f"whose only folder {stranger}/ is no class of other splits"
            if stranger
            else ("which has no class folders as other splits have")
        )
        self.layout.labels |= {each.path: ImageLabel(detail=detail) for each in folder.below()}
        if images:
            self._note(
                f"Unlabelled and set aside: {counted(images, 'image')} of {folder.path}/, {why}.",
                set_aside=images,
            )

    def _read_classes(self, base: SourceFolder, split: str | None) -> None:
        classes = list(base.folders.values()) if self.class_level == 1 else self._beside(base)
        if self.class_level is None:
            self.errors.check_class_names(base, classes, non_class_folders(classes))
            self._check_no_level_above(base, classes)
            self._check_no_splits_inside(classes)
        self._leave_out_annotations(base, classes, " ingest.class_level=1 makes it a class.")
        self.layout.labels[base.path] = ImageLabel(split=split)
        beside: list[SourceFolder] = []
        for folder in _at_level(base, (self.class_level or 1) - 1, self.layout, split):
            place = ImageLabel(label=folder.name, split=split)
            self.layout.labels |= {each.path: place for each in folder.below()}
            beside += [mark for each in folder.below() for mark in annotation_folders(each)]
            if not folder.all_images():
                self._note(
                    f"The folder {folder.path}/ holds no image; the model learns nothing of {folder.name!r} there."
                )

        self._leave_out_beside(beside)

    def _leave_out_beside(self, marks: Sequence[SourceFolder]) -> None:
        """Leave out folders of masks and the like in class folders; said once, as each class may have one."""
        if marks:
            images = counted(sum(each.all_images() for each in marks), "image")
            more = f" and {len(marks) - SHOWN} more" if len(marks) > SHOWN else ""
            self._note(
                f"Annotations beside the images of a class are left out ({images}): "
                f"{_listed([each.path for each in marks[:SHOWN]])}{more}."
            )
        for mark in marks:
            self.layout.labels |= {each.path: ImageLabel(left_out=True) for each in mark.below()}

    def _check_no_level_above(self, base: SourceFolder, classes: Sequence[SourceFolder]) -> None:
        """Refuse `day/cat, day/dog, night/cat, night/dog`: what looks like classes lies above the classes."""
        first: dict[str, tuple[SourceFolder, int]] = {}  # by name of a folder in a class: that class, and its level
        twice: set[str] = set()
        for folder in classes:
            shared: dict[str, list[str]] = {}
            below, level = _class_like(folder)
            for each in below:
                owner, _ = first.setdefault(each.name, (folder, level))
                if owner is not folder:
                    shared.setdefault(owner.path, []).append(each.name)
            for names in shared.values():
                twice.update(names)
                if len(names) > 1 or len(twice) > 1 or parse_splits(names):
                    raise self.errors.same_folders(first[names[0]][0], folder, level, names)

    def _check_no_splits_inside(self, classes: Sequence[SourceFolder]) -> None:
        """Refuse a dataset with splits of its own beside other folders: they would all become classes."""
        for folder in classes:
            inner = folder
            while not inner.images and len(below := _filled(inner.folders.values())) == 1:
                inner = below[0]
            splits = parse_splits(each.name for each in _filled(inner.folders.values()))
            if len(set(splits.values())) > 1:
                beside = [each for each in classes if each is not folder]
                raise self.errors.holds_splits(folder, sorted(splits), beside)

    def _check_not_nested(self, folder: SourceFolder, below: Iterable[SourceFolder]) -> None:
        """Refuse a source that holds itself once more, as an archive that was unpacked into itself does."""
        for inner in below:
            names = sorted(name for name in inner.folders if name in folder.folders and name != inner.name)
            again = inner.name == folder.name and len(folder.folders) > 1
            if len(names) > 1 or (names and again):
                raise self.errors.holds_itself(inner, names)

    def _leave_out_annotations(self, folder: SourceFolder, kept: Iterable[SourceFolder], otherwise: str = "") -> None:
        kept = set(kept)
        left = [each for each in folder.folders.values() if each not in kept]
        self._leave_out(left, "its name says that it holds annotations, not images of a class", otherwise)

    def _leave_out(self, folders: Iterable[SourceFolder], why: str, otherwise: str = "") -> None:
        for folder in folders:
            self.layout.labels |= {each.path: ImageLabel(left_out=True) for each in folder.below()}
            images = folder.all_images()
            end = otherwise if images else ""
            self._note(f"The folder {folder.path}/ is left out ({counted(images, 'image')}): {why}.{end}")

    def _note(self, text: str, set_aside: int = 0) -> None:
        self.layout.notes.append(SourceNote(text, set_aside))


def _at_level(base: SourceFolder, above: int, layout: FolderLayout, split: str | None) -> list[SourceFolder]:
    """The folders that name classes, so many levels below those of the base; what lies above them is unlabelled."""
    level = list(base.folders.values())
    level = [folder for folder in level if folder.path not in layout.labels]
    for _ in range(above):
        place = ImageLabel(
            split=split, detail=f"above the folders that ingest.class_level={above + 1} takes as classes"
        )
        layout.labels |= {folder.path: place for folder in level}
        level = [below for folder in level for below in folder.folders.values()]
    return level


def _class_like(folder: SourceFolder) -> tuple[list[SourceFolder], int]:
    """The folders in a class and their level: 2, or 3 in its only folder where that is called `images` or so."""
    marks = annotation_folders(folder)
    below = [each for each in folder.folders.values() if each not in marks]
    if len(below) == 1 and below[0].name.lower() in WRAPPER_NAMES:
        return list(below[0].folders.values()), 3
    return below, 2


def _unlabelled_splits(classes: dict[str, set[str]], sides: dict[str, str]) -> dict[str, str]:
    """Splits whose only folder is no class of the others, by name: `test/unknown` holds what has no label.

    A model could not learn that class from other splits anyway, and where it is all of the held-out rows, nothing
    would be judged.
    """
    found = {}
    for name, own in classes.items():
        others = set().union(*(names for other, names in classes.items() if other != name))
        if sides[name] != TRAIN and len(own) == 1 and len(others) > 1 and not own & others:
            found[name] = next(iter(own))
    return found


def _filled(folders: Iterable[SourceFolder]) -> list[SourceFolder]:
    return [folder for folder in folders if folder.all_images()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in names)
