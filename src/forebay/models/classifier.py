"""A trained model that answers from stored pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ModelError
from forebay.models.normalize import standardize

PIXELS_PER_PASS = 1 << 20  # in one forward pass without gradients; bounds memory whatever the images' size


class Classifier:
    """A trained model. Several threads may use it at once.

    `examples_NHWC` are rows that it was never trained on; they are empty where its bundle holds none.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module, examples_NHWC: NDArray[np.uint8] | None = None) -> None:
        self.spec = spec
        shape = (spec.height, spec.width, spec.channels)
        self.examples_NHWC = np.empty((0, *shape), np.uint8) if examples_NHWC is None else examples_NHWC
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute class probabilities in fp32 on the CPU.

        Args:
            images_NHWC: uint8 pixels (N, H, W, C), 0 to 255, in the spec's size; N may be 0.

        Returns:
            float32 (N, K); rows sum to 1, columns are in the order of `spec.classes`.

        Raises:
            ModelError: the images have another shape or dtype.
        """
        spec = self.spec
        shape = (spec.height, spec.width, spec.channels)
        if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[1:] != shape:
            raise ModelError(
                f"The model takes uint8 images of shape (N, {', '.join(map(str, shape))}), "
                f"got {images_NHWC.dtype} of shape {images_NHWC.shape}. Resize them as ingest does."
            )
        rows = rows_per_pass(spec.height, spec.width)
        probabilities = np.empty((len(images_NHWC), len(spec.classes)), np.float32)
        for start in range(0, len(images_NHWC), rows):
            batch = np.ascontiguousarray(images_NHWC[start : start + rows])
            probabilities[start : start + rows] = self._probabilities(torch.tensor(batch)).numpy()
        return probabilities

    @torch.inference_mode()
    def _probabilities(self, images_NHWC: Tensor) -> Tensor:
        images = standardize(images_NHWC.permute(0, 3, 1, 2), self.spec.mean, self.spec.std)
        return torch.softmax(self._network(images), dim=1)


def rows_per_pass(height: int, width: int) -> int:
    """How many images go through a network at once."""
    return max(1, PIXELS_PER_PASS // (height * width))
