"""Checks of would-be classes: layouts that read_layout must not guess about are refused."""

from collections.abc import Iterable, Sequence

from forebay.ingest.labels.splits import parse_split, parse_splits
from forebay.ingest.layout.folder_names import WRAPPER_NAMES, annotation_folders, non_class_folders
from forebay.ingest.layout.layout_errors import LayoutErrors
from forebay.ingest.layout.tree import SourceFolder, folders_with_images


def check_classes(base: SourceFolder, classes: Sequence[SourceFolder], errors: LayoutErrors) -> None:
    """Refuse folders that may not be the classes.

    Args:
        base: the folder in which the classes lie.
        classes: the would-be classes.
        errors: makes the messages.

    Raises:
        DataError: a class has the name of a split or of what lies beside classes, or other folders may be the classes.
    """
    _check_class_names(base, classes, errors)
    _check_no_level_above(classes, errors)
    _check_no_splits_inside(classes, errors)


def check_not_nested(folder: SourceFolder, below: Iterable[SourceFolder], errors: LayoutErrors) -> None:
    """Refuse a source that holds its own folders once more, as an archive that was unpacked into itself does."""
    for inner in below:
        names = sorted(name for name in inner.folders if name in folder.folders and name != inner.name)
        same_name = inner.name == folder.name and len(folder.folders) > 1
        if len(names) > 1 or (names and same_name):
            raise errors.contains_itself(inner, names)


def _check_class_names(base: SourceFolder, classes: Sequence[SourceFolder], errors: LayoutErrors) -> None:
    siblings = len(folders_with_images(base.folders.values()))
    non_classes = non_class_folders(classes)
    for folder in classes:
        if parse_split(folder.name):
            raise errors.class_named_like_split(folder, base)
        if folder in non_classes:
            raise errors.name_of_no_class(folder, siblings)


def _check_no_level_above(classes: Sequence[SourceFolder], errors: LayoutErrors) -> None:
    """Refuse `day/cat, day/dog, night/cat, night/dog`: the would-be classes hold what looks like the classes."""
    first_owners: dict[str, SourceFolder] = {}  # by name of a folder in a class: the first class that holds it
    all_shared: set[str] = set()
    for folder in classes:
        shared: dict[str, list[str]] = {}  # by path of the first owner: names of the folders that both hold
        inner_folders, level = _inner_folders(folder)
        for inner in inner_folders:
            owner = first_owners.setdefault(inner.name, folder)
            if owner is not folder:
                shared.setdefault(owner.path, []).append(inner.name)
        for names in shared.values():
            all_shared.update(names)
            if len(names) > 1 or len(all_shared) > 1 or parse_splits(names):
                raise errors.classes_share_folders(first_owners[names[0]], folder, level, names)


def _check_no_splits_inside(classes: Sequence[SourceFolder], errors: LayoutErrors) -> None:
    """Refuse a dataset with splits of its own beside other folders: they would all become classes."""
    for folder in classes:
        inner = folder
        while not inner.images and len(below := folders_with_images(inner.folders.values())) == 1:
            inner = below[0]
        splits = parse_splits(each.name for each in folders_with_images(inner.folders.values()))
        if len(set(splits.values())) > 1:
            siblings = [each for each in classes if each is not folder]
            raise errors.class_contains_splits(folder, sorted(splits), siblings)


def _inner_folders(folder: SourceFolder) -> tuple[list[SourceFolder], int]:
    """The folders in a class and their level: 2, or 3 where its only folder is a wrapper such as `images`."""
    annotations = annotation_folders(folder)
    below = [each for each in folder.folders.values() if each not in annotations]
    if len(below) == 1 and below[0].name.lower() in WRAPPER_NAMES:
        return list(below[0].folders.values()), 3
    return below, 2
