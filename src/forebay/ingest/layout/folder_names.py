"""What the names of folders say beside splits: containers, annotations, and what is surely no class."""

import re
from collections.abc import Iterable, Sequence

from forebay.ingest.layout.tree import SourceFolder

WRAPPER_NAMES = frozenset((
    "data", "dataset", "image", "images", "imgs", "img", "jpegimages", "jpg", "jpeg", "photos", "pics", "pictures",
    "png", "raw",
))  # fmt: skip  # folders in a class or a split that say nothing of a class
NON_CLASS_NAMES = frozenset(("images", "imgs", "jpegimages"))  # what a class is surely not called
ANNOTATION_NAMES = frozenset((
    "annotation", "annotations", "bboxes", "bounding_boxes", "ground_truth", "groundtruth", "gt", "imagesets", "labels",
    "mask", "masks", "segmentation", "segmentations",
))  # fmt: skip
_BESIDE_IMAGES = ANNOTATION_NAMES - {"labels"}  # a class may well have a sub-folder of labels, such as those of bottles
_NEGATIONS = frozenset(
    ("no", "not", "non", "without", "with", "incorrect", "incorrectly", "improper", "improperly", "wrong")
)
_PART_WORDS = frozenset(("batch", "chunk", "fold", "image", "images", "img", "imgs", "shard"))
_LETTERS = re.compile(r"[^\W\d_]+")


def is_negated_beside(folder: SourceFolder, beside: Iterable[SourceFolder]) -> bool:
    """Tell `mask/` beside `no_mask/`: another class denies it, so that it is one as well."""
    word = folder.name.lower().removesuffix("s")
    for other in beside:
        words = {each.lower() for each in _LETTERS.findall(other.name)}
        if words & _NEGATIONS and words & {word, f"{word}s"}:
            return True
    return False


def annotation_folders(folder: SourceFolder) -> list[SourceFolder]:
    """The folders of masks, boxes and the like beside images of one class: `COVID/masks` beside `COVID/images`."""
    below = [each for each in folder.folders.values() if each.all_images()]
    contained = any(each.name.lower() in WRAPPER_NAMES for each in below)
    names = ANNOTATION_NAMES if contained else _BESIDE_IMAGES if folder.images else frozenset[str]()
    return [each for each in below if each.name.lower() in names]


def non_class_folders(folders: Sequence[SourceFolder]) -> list[SourceFolder]:
    """Of folders with images that would become classes those whose names say that they are none."""
    filled = [folder for folder in folders if folder.all_images()]
    if all(folder.name.lower() in WRAPPER_NAMES for folder in filled) or _are_numbered_parts(
        [each.name for each in filled]
    ):
        return filled
    named = [folder for folder in filled if folder.name.lower() in NON_CLASS_NAMES | ANNOTATION_NAMES]
    return [folder for folder in named if not is_negated_beside(folder, folders)]


def _are_numbered_parts(names: Sequence[str]) -> bool:
    """Tell `images_001`, `images_002`: parts of one dataset, which differ in nothing but a number."""
    rests = {re.sub(r"\d+", "0", name) for name in names}
    if len(names) < 2 or len(rests) > 1 or "0" not in (rest := rests.pop()):
        return False
    return bool({word.lower() for word in _LETTERS.findall(rest)} & _PART_WORDS)
