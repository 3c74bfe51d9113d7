"""What a person should know about a split before training on it."""

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.class_names import class_list
from forebay.contracts.holdout import HASH, HELD_OUT, TRAINED
from forebay.preprocess.split import DROPPED, TEST, VALIDATION, count_class_rows
from forebay.settings import PreprocessConfig


def split_warnings(
    classes: list[str],
    labels: NDArray[np.int64],
    splits: NDArray[np.int8],
    kind: str,
    moved: dict[str, list[str]],
    constant: list[int],
    config: PreprocessConfig,
) -> list[str]:
    """One text per problem.

    Args:
        classes: class names in label order.
        labels: N; the label of each row.
        splits: N; the split of each row.
        kind: hash or source.
        moved: the exceptions of a hash split.
        constant: channels that never change in the training rows.
        config: the step's settings.
    """
    test_rows = count_class_rows(labels, splits, TEST, len(classes))
    unjudged = [classes[label] for label in np.flatnonzero(test_rows == 0)]
    return [*_class_warnings(unjudged, kind, moved, config), *_row_warnings(splits, constant, config)]


def _class_warnings(unjudged: list[str], kind: str, moved: dict[str, list[str]], config: PreprocessConfig) -> list[str]:
    texts = []
    if any(moved.values()):
        texts.append(
            f"few images in some classes: {len(moved[HELD_OUT])} more are held out and {len(moved[TRAINED])} more "
            f"are trained on than preprocess.holdout={config.holdout:g} says, so that each of two or more has both"
        )
    if unjudged and kind == HASH:
        texts.append(
            f"{class_list(unjudged)} with one image only: it is trained on, and nothing will show how well the model "
            "knows it. Add images"
        )
    elif unjudged:
        texts.append(
            f"{class_list(unjudged)} without test rows in the source's own split: nothing will show how well the model "
            "knows it. Add images to the source's test part, or set preprocess.split=hash, which splits all rows by "
            "content"
        )
    return texts


def _row_warnings(splits: NDArray[np.int8], constant: list[int], config: PreprocessConfig) -> list[str]:
    texts = []
    if dropped := int((splits == DROPPED).sum()):
        texts.append(f"{dropped} training rows of the source show an image that is also one of its test rows; left out")
    if config.validation > 0 and not (splits == VALIDATION).any():
        texts.append(
            "no row fell into the validation split, so there is no validation curve; raise preprocess.validation"
        )
    texts += [
        f"channel {channel} never changes in the training rows, so it carries nothing; it is kept with deviation 1. "
        "Set ingest.channels=1 where the images are grey"
        for channel in constant
    ]
    return texts
