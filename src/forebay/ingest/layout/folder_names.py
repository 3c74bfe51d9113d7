"""What a folder's name says besides a split: a wrapper, annotations, or that it is surely no class."""

import re
from collections.abc import Iterable, Sequence

from forebay.ingest.layout.tree import SourceFolder, folders_with_images

WRAPPER_NAMES = frozenset((
    "data", "dataset", "image", "images", "imgs", "img", "jpegimages", "jpg", "jpeg", "photos", "pics", "pictures",
    "png", "raw",
))  # fmt: skip  # folders in a class or a split whose names say nothing about classes
NON_CLASS_NAMES = frozenset(("images", "imgs", "jpegimages"))  # names that no class has
ANNOTATION_NAMES = frozenset((
    "annotation", "annotations", "bboxes", "bounding_boxes", "ground_truth", "groundtruth", "gt", "imagesets", "labels",
    "mask", "masks", "segmentation", "segmentations",
))  # fmt: skip
_UNWRAPPED_ANNOTATIONS = ANNOTATION_NAMES - {"labels"}  # a class may well have a sub-folder of images of labels
_NEGATIONS = frozenset(
    ("no", "not", "non", "without", "with", "incorrect", "incorrectly", "improper", "improperly", "wrong")
)
_PART_WORDS = frozenset(("batch", "chunk", "fold", "image", "images", "img", "imgs", "shard"))
_LETTERS = re.compile(r"[^\W\d_]+")


def is_class_by_negation(folder: SourceFolder, siblings: Iterable[SourceFolder]) -> bool:
    """Tell `mask/` beside `no_mask/`: the name of another class negates it, so both are classes."""
    word = folder.name.lower().removesuffix("s")
    for sibling in siblings:
        words = {each.lower() for each in _LETTERS.findall(sibling.name)}
        if words & _NEGATIONS and words & {word, f"{word}s"}:
            return True
    return False


def annotation_folders(folder: SourceFolder) -> list[SourceFolder]:
    """The folders of masks, boxes and the like beside the images of one class: `COVID/masks` beside `COVID/images`."""
    filled = folders_with_images(folder.folders.values())
    if any(each.name.lower() in WRAPPER_NAMES for each in filled):
        names = ANNOTATION_NAMES
    else:
        names = _UNWRAPPED_ANNOTATIONS if folder.images else frozenset()
    return [each for each in filled if each.name.lower() in names]


def non_class_folders(folders: Sequence[SourceFolder]) -> list[SourceFolder]:
    """Folders with images that would become classes although their names say that they are not."""
    filled = folders_with_images(folders)
    if all(folder.name.lower() in WRAPPER_NAMES for folder in filled):
        return filled
    if _are_numbered_parts([each.name for each in filled]):
        return filled
    named = [folder for folder in filled if folder.name.lower() in NON_CLASS_NAMES | ANNOTATION_NAMES]
    return [folder for folder in named if not is_class_by_negation(folder, folders)]


def _are_numbered_parts(names: Sequence[str]) -> bool:
    """Tell `images_001`, `images_002`: parts of one dataset, whose names differ only in a number."""
    patterns = {re.sub(r"\d+", "0", name) for name in names}
    if len(names) < 2 or len(patterns) > 1 or "0" not in (pattern := patterns.pop()):
        return False
    return bool({word.lower() for word in _LETTERS.findall(pattern)} & _PART_WORDS)
