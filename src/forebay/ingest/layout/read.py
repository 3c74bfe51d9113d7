"""The rules of an image folder: which folder is the top, which are splits, which are classes. Pure.

docs/data.md states them for people, in this order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forebay.ingest.labels.splits import TRAIN, parse_splits, split_roles
from forebay.ingest.layout.checks import check_classes, check_not_nested
from forebay.ingest.layout.folder_names import (
    ANNOTATION_NAMES,
    WRAPPER_NAMES,
    annotation_folders,
    is_class_by_negation,
)
from forebay.ingest.layout.image_label import FolderLayout, ImageLabel
from forebay.ingest.layout.layout_errors import LayoutErrors
from forebay.ingest.layout.tree import SourceFolder, folders_with_images
from forebay.ingest.unicode_form import nfc
from forebay.text import count_noun, join_names

NAMES_SHOWN = 3  # folders in a message


def read_layout(
    top: SourceFolder, data: str, class_level: int | None = None, find_label_table: Callable[[], str] = lambda: ""
) -> FolderLayout:
    """Find classes and splits in the folders of a source.

    Args:
        top: the source.
        data: the source as the user names it, for messages.
        class_level: which folder below the splits, or below the top, names the class; None for the first, where that
            is not in doubt.
        find_label_table: returns the path of a file that may hold labels, for messages; empty where there is none.

    Raises:
        DataError: the folders can be read in several ways, or in none that gives classes.
    """
    reader = _LayoutReader(LayoutErrors(data, find_label_table), class_level, FolderLayout())
    reader.read(top)
    return reader.layout


@dataclass
class _LayoutReader:
    errors: LayoutErrors
    class_level: int | None
    layout: FolderLayout

    def read(self, top: SourceFolder) -> None:
        base = self._descend(top)
        folders = _candidates(base)
        names = parse_splits(folder.name for folder in folders)  # by name of a folder: the split that it stands for
        splits = {
            folder.name: _innermost_of_split(folder, names[folder.name]) for folder in folders if folder.name in names
        }
        classes = {name: found for name, folder in splits.items() if (found := _class_names(folder))}
        unlabelled = {} if self.class_level else _unlabelled_splits(classes, names)
        with_classes = [name for name in classes if name not in unlabelled]
        others = [folder for folder in folders if folder.name not in names]
        if with_classes and (len(set(names.values())) > 1 or not others):
            self._read_splits(splits, names, with_classes, unlabelled)
            self._leave_out_annotations(base, folders)
            self.layout.leave_out(others, "it is no split, and beside splits only splits count")
        elif splits and self.class_level is None:
            raise self.errors.split_or_class(list(splits.values()), others, flat=not with_classes)
        else:
            self._read_classes(base, None)

    def _descend(self, folder: SourceFolder) -> SourceFolder:
        """Go through folders that hold nothing but one other folder, down to the one that holds splits or classes."""
        while True:
            below = _candidates(folder)
            check_not_nested(folder, below, self.errors)
            filled = folders_with_images(below)
            alone = len(below) == 1 or self._is_only_wrapper(filled)
            if not alone or not filled or not folders_with_images(_candidates(filled[0])):
                return folder
            self._leave_out_annotations(folder, below)
            self.layout.leave_out((each for each in below if each is not filled[0]), "it holds no image")
            folder = filled[0]

    def _is_only_wrapper(self, filled: Sequence[SourceFolder]) -> bool:
        """Tell `images/` beside `meta/`, as in Food-101 and CUB: the only folder with images, which is no class."""
        return self.class_level is None and len(filled) == 1 and filled[0].name.lower() in WRAPPER_NAMES

    def _read_splits(
        self,
        splits: dict[str, SourceFolder],
        names: dict[str, str],
        with_classes: list[str],
        unlabelled: dict[str, str],
    ) -> None:
        roles = split_roles(names[name] for name in with_classes)
        for name, folder in splits.items():
            if name in with_classes:
                self._read_classes(folder, roles.get(names[name]))
            else:
                self._set_split_aside(folder, name, unlabelled.get(name))
        if not roles:
            have = "has" if len(with_classes) == 1 else "have"
            self.layout.note(
                f"Only {join_names(_slashed(with_classes), len(with_classes))} {have} class folders, so there are no "
                "two sides of a split: the rows are split by content."
            )

    def _set_split_aside(self, folder: SourceFolder, name: str, only_folder: str | None) -> None:
        images = folder.count_images()
        if only_folder:
            reason = f"{name}/ has no folder of a class"
            why = f"whose only folder {only_folder}/ is no class of other splits"
        else:
            reason = f"{name}/ has no class folders"
            why = "which has no class folders as other splits have"
        self.layout.assign(folder, ImageLabel(no_label_reason=reason))
        if images:
            text = f"Unlabelled and set aside: {count_noun(images, 'image')} of {folder.path}/, {why}."
            self.layout.note(text, set_aside=images)

    def _read_classes(self, base: SourceFolder, split: str | None) -> None:
        classes = list(base.folders.values()) if self.class_level == 1 else _candidates(base)
        if self.class_level is None:
            check_classes(base, classes, self.errors)
        self._leave_out_annotations(base, classes, " ingest.class_level=1 makes it a class.")
        self.layout.labels[base.path] = ImageLabel(split=split)
        annotations: list[SourceFolder] = []
        for folder in self._class_folders(base, (self.class_level or 1) - 1, split):
            self.layout.assign(folder, ImageLabel(label=folder.name, split=split))
            annotations += [each for inner in folder.walk() for each in annotation_folders(inner)]
            if not folder.count_images():
                self.layout.note(
                    f"The folder {folder.path}/ holds no image; the model learns nothing of {folder.name!r} there."
                )
        self._leave_out_class_annotations(annotations)

    def _class_folders(self, base: SourceFolder, levels_above: int, split: str | None) -> list[SourceFolder]:
        """The folders that name classes; images in the levels above them are unlabelled."""
        level = [folder for folder in base.folders.values() if folder.path not in self.layout.labels]
        reason = f"above the folders that ingest.class_level={levels_above + 1} takes as classes"
        for _ in range(levels_above):
            unlabelled = ImageLabel(split=split, no_label_reason=reason)
            self.layout.labels |= {folder.path: unlabelled for folder in level}
            level = [below for folder in level for below in folder.folders.values()]
        return level

    def _leave_out_class_annotations(self, annotations: Sequence[SourceFolder]) -> None:
        """Leave out folders of masks and the like in class folders; one note for all, as each class may have one."""
        if annotations:
            images = count_noun(sum(each.count_images() for each in annotations), "image")
            paths = join_names(_slashed([each.path for each in annotations]), NAMES_SHOWN)
            self.layout.note(f"Annotations beside the images of a class are left out ({images}): {paths}.")
        for folder in annotations:
            self.layout.assign(folder, ImageLabel(left_out=True))

    def _leave_out_annotations(self, folder: SourceFolder, kept: Sequence[SourceFolder], advice: str = "") -> None:
        kept_folders = set(kept)
        rest = [each for each in folder.folders.values() if each not in kept_folders]
        self.layout.leave_out(rest, "its name says that it holds annotations, not images of a class", advice)


def _candidates(folder: SourceFolder) -> list[SourceFolder]:
    """The folders in it that may be splits or classes: with images or empty, and no annotations of others."""
    below = list(folder.folders.values())
    kept = [each for each in below if each.name.lower() not in ANNOTATION_NAMES or is_class_by_negation(each, below)]
    return kept if folders_with_images(kept) else below


def _class_names(split: SourceFolder) -> set[str]:
    return {nfc(folder.name) for folder in folders_with_images(_candidates(split))}


def _innermost_of_split(folder: SourceFolder, split: str) -> SourceFolder:
    """The folder with a split's classes: `seg_train/seg_train` and `train/images` are nested."""
    while len(below := _candidates(folder)) == 1 and not folder.images:
        name = below[0].name
        nested = parse_splits([name]).get(name) == split or name.lower() == folder.name.lower()
        if not nested and name.lower() not in WRAPPER_NAMES:
            break
        folder = below[0]
    return folder


def _unlabelled_splits(classes: dict[str, set[str]], names: dict[str, str]) -> dict[str, str]:
    """Splits whose only folder is no class of the other splits, with that folder: `test/unknown` has no labels.

    A model could not learn that class from other splits anyway; and if all held-out rows were of it, they would
    evaluate nothing.
    """
    found = {}
    for name, own in classes.items():
        others = set().union(*(each for other, each in classes.items() if other != name))
        if names[name] != TRAIN and len(own) == 1 and len(others) > 1 and not own & others:
            found[name] = next(iter(own))
    return found


def _slashed(names: Sequence[str]) -> list[str]:
    return [f"{name}/" for name in names]
