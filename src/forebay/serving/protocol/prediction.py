"""What a model predicted for the images of one request."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.serving.protocol.unlike_images import ImageWarnings


@dataclass(frozen=True, kw_only=True)
class BatchPrediction:
    """The probabilities of a batch, with what a response says beside them."""

    model: str
    version: str
    classes: list[str]
    probabilities: NDArray[np.float32]  # (N, K)
    warnings: ImageWarnings = ()

    @property
    def labels(self) -> NDArray[np.int64]:
        """Index of the most probable class, (N,)."""
        labels: NDArray[np.int64] = self.probabilities.argmax(1)
        return labels
