"""The rules of an image folder: which folder is the top, which are splits, which are classes. Pure.

docs/data.md states them for people, in this order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forebay.ingest.layout import refusals
from forebay.ingest.layout.tree import Folder, counted
from forebay.ingest.note import Note
from forebay.ingest.splits import own_split, split_words

CONTAINERS = frozenset((
    "data", "dataset", "image", "images", "imgs", "img", "jpegimages", "jpg", "jpeg", "photos", "pics", "pictures",
    "png", "raw",
))  # fmt: skip  # folders in a class or a split that say nothing of a class
NO_CLASSES = frozenset(("images", "imgs", "jpegimages"))  # what a class is surely not called
ANNOTATIONS = frozenset((
    "annotation", "annotations", "bboxes", "bounding_boxes", "ground_truth", "groundtruth", "gt", "imagesets", "labels",
    "mask", "masks", "segmentation", "segmentations",
))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the pictures of a folder are."""

    label: str | None = None
    split: str | None = None  # train or test
    detail: str = "outside every class folder"  # why there is no label
    left_out: bool = False  # neither a class nor unlabelled: passed over, and said


@dataclass
class Layout:
    """What each folder of a source means."""

    places: dict[str, Place] = field(default_factory=dict)  # by path of the folder
    notes: list[Note] = field(default_factory=list)


def read_layout(top: Folder, data: str, class_level: int | None = None, tables: Sequence[str] = ()) -> Layout:
    """Find classes and splits in the folders of a source.

    Args:
        top: the source.
        data: what a person calls it, for messages.
        class_level: which folder below the splits, or below the top, names the class; None for the first, where that
            is not in doubt.
        tables: files that may hold labels, for messages.

    Raises:
        DataError: the folders can be read in several ways, or in none that gives classes.
    """
    reader = _Reader(refusals.Refusals(data, tables), class_level, Layout())
    reader.read(top)
    return reader.layout


@dataclass
class _Reader:
    refusals: refusals.Refusals
    class_level: int | None
    layout: Layout

    def read(self, top: Folder) -> None:
        base = self._descend(top)
        folders = self._beside(base)
        sides = split_words(folder.name for folder in folders)
        splits = {
            folder.name: self._inside_split(folder, sides[folder.name]) for folder in folders if folder.name in sides
        }
        with_classes = [name for name, folder in splits.items() if _filled(self._beside(folder))]
        others = [folder for folder in folders if folder.name not in sides]
        if with_classes and (len(set(sides.values())) > 1 or not others):
            self._read_splits(splits, sides, with_classes)
            self._leave_out_annotations(base, folders)
            self._leave_out(others, "it is no split, and beside splits only splits count")
        elif splits and self.class_level is None:
            raise self.refusals.class_like_a_split(list(splits.values()), others, flat=not with_classes)
        else:
            self._read_classes(base, None)

    def _descend(self, folder: Folder) -> Folder:
        """Through folders that hold nothing but one other folder, down to the one that holds splits or classes."""
        while True:
            below = self._beside(folder)
            self._check_not_nested(folder, below)
            if len(below) != 1 or not _filled(self._beside(below[0])):
                return folder
            self._leave_out_annotations(folder, below)
            folder = below[0]

    def _beside(self, folder: Folder) -> list[Folder]:
        """The folders in it that may be splits or classes: with pictures or empty, and no annotations of others."""
        below = list(folder.folders.values())
        kept = [each for each in below if each.name.lower() not in ANNOTATIONS]
        return kept if _filled(kept) else below

    def _inside_split(self, folder: Folder, side: str) -> Folder:
        """The folder with a split's classes: `seg_train/seg_train` and `train/images` are nested once."""
        below = self._beside(folder)
        if len(below) == 1 and not folder.pictures:
            name = below[0].name
            nested = split_words([name]).get(name) == side or name.lower() == folder.name.lower()
            if nested or name.lower() in CONTAINERS:
                return below[0]
        return folder

    def _read_splits(self, splits: dict[str, Folder], sides: dict[str, str], with_classes: list[str]) -> None:
        meanings = own_split(sides[name] for name in with_classes)
        for name, folder in splits.items():
            if name in with_classes:
                self._read_classes(folder, meanings.get(sides[name]))
            else:
                self._set_aside(folder, name)
        if not meanings:
            self._note(
                f"Only {_listed(with_classes)} has class folders, so there are no two sides of a split: the rows are "
                "split by content."
            )

    def _set_aside(self, folder: Folder, name: str) -> None:
        pictures = folder.all_pictures()
        detail = f"{name}/ has no class folders"
        self.layout.places |= {each.path: Place(detail=detail) for each in folder.below()}
        if pictures:
            self._note(
                f"Unlabelled and set aside: {counted(pictures, 'picture')} of {folder.path}/, which has no class "
                "folders as other splits have.",
                set_aside=pictures,
            )

    def _read_classes(self, base: Folder, split: str | None) -> None:
        classes = self._beside(base)
        if self.class_level is None:
            self.refusals.check_class_names(base, classes, NO_CLASSES | ANNOTATIONS, _filled(classes))
            self._check_no_level_above(base, classes)
        self._leave_out_annotations(base, classes)
        self.layout.places[base.path] = Place(split=split)
        for folder in _at_level(base, (self.class_level or 1) - 1, self.layout, split):
            place = Place(label=folder.name, split=split)
            self.layout.places |= {each.path: place for each in folder.below()}
            if not folder.all_pictures():
                self._note(
                    f"The folder {folder.path}/ holds no picture; the model learns nothing of {folder.name!r} there."
                )

    def _check_no_level_above(self, base: Folder, classes: Sequence[Folder]) -> None:
        """Refuse `day/cat, day/dog, night/cat, night/dog`: what looks like classes lies above the classes."""
        first: dict[str, tuple[Folder, int]] = {}  # by name of a folder in a class: that class, and its level
        for folder in classes:
            shared: dict[str, list[str]] = {}
            below, level = _class_like(folder)
            for each in below:
                owner, _ = first.setdefault(each.name, (folder, level))
                if owner is not folder:
                    shared.setdefault(owner.path, []).append(each.name)
            for names in shared.values():
                if len(names) > 1 or split_words(names):
                    raise self.refusals.same_folders(first[names[0]][0], folder, level, names)

    def _check_not_nested(self, folder: Folder, below: Iterable[Folder]) -> None:
        """Refuse a source that holds itself once more, as an archive that was unpacked into itself does."""
        for inner in below:
            names = sorted(name for name in inner.folders if name in folder.folders and name != inner.name)
            again = inner.name == folder.name and len(folder.folders) > 1
            if len(names) > 1 or (names and again):
                raise self.refusals.holds_itself(inner, names)

    def _leave_out_annotations(self, folder: Folder, kept: Iterable[Folder]) -> None:
        kept = set(kept)
        left = [each for each in folder.folders.values() if each not in kept]
        self._leave_out(left, "its name says that it holds annotations, not pictures of a class")

    def _leave_out(self, folders: Iterable[Folder], why: str) -> None:
        for folder in folders:
            self.layout.places |= {each.path: Place(left_out=True) for each in folder.below()}
            self._note(f"The folder {folder.path}/ is left out ({counted(folder.all_pictures(), 'picture')}): {why}.")

    def _note(self, text: str, set_aside: int = 0) -> None:
        self.layout.notes.append(Note(text, set_aside))


def _at_level(base: Folder, above: int, layout: Layout, split: str | None) -> list[Folder]:
    """The folders that name classes, so many levels below those of the base; what lies above them is unlabelled."""
    level = list(base.folders.values())
    level = [folder for folder in level if folder.path not in layout.places]
    for _ in range(above):
        layout.places |= {folder.path: Place(split=split) for folder in level}
        level = [below for folder in level for below in folder.folders.values()]
    return level


def _class_like(folder: Folder) -> tuple[list[Folder], int]:
    """The folders in a class and their level: 2, or 3 in its only folder where that is called `images` or so."""
    below = list(folder.folders.values())
    if len(below) == 1 and below[0].name.lower() in CONTAINERS:
        return list(below[0].folders.values()), 3
    return below, 2


def _filled(folders: Iterable[Folder]) -> list[Folder]:
    return [folder for folder in folders if folder.all_pictures()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in names)
