"""A model's predictions for a whole split."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.shards import DatasetSplit
from forebay.errors import ModelError
from forebay.state import StepLog

if TYPE_CHECKING:
    from forebay.models import Classifier

BATCH_BYTES = 8_388_608  # size of the pixels between two progress events


def predict(
    classifier: "Classifier", split: DatasetSplit, log: StepLog, part: tuple[int, int] = (0, 1)
) -> NDArray[np.float32]:
    """The probabilities of every row; float32, N x K.

    Args:
        classifier: the model.
        split: the N rows.
        log: shows the progress.
        part: the number of this call, from 0, and how many such calls the progress is over.

    Raises:
        ModelError: the model answers with NaN or infinity.
    """
    spec = classifier.spec
    rows = max(1, BATCH_BYTES // (spec.height * spec.width * spec.channels))
    parts = []
    for start in range(0, len(split), rows):
        parts.append(classifier.predict(split.images_NHWC(start, start + rows)))
        done, total = min(start + rows, len(split)), len(split)
        log.progress(part[0] * total + done, part[1] * total, "rows")
    probabilities = np.concatenate(parts)
    if not np.isfinite(probabilities).all():
        raise ModelError(
            f"The {spec.architecture} answers with NaN for {int((~np.isfinite(probabilities)).any(axis=1).sum())} of "
            f"{len(split)} test rows: training diverged. Lower train.learning_rate and train again."
        )
    return probabilities
