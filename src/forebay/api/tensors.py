"""Prepared images as a network takes them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forebay.contracts.bundles.spec import ModelSpec
from forebay.models import resize, standardize


def network_input(images_NHWC: NDArray[np.uint8], spec: ModelSpec) -> Tensor:
    """Standardize and resize images as a classifier does before its network.

    Args:
        images_NHWC: uint8, in the spec's size.
        spec: has mean and deviation of each channel, and the size that the network sees.

    Returns:
        float32 (N, C, H, W), contiguous.
    """
    standardized = standardize(torch.tensor(images_NHWC).permute(0, 3, 1, 2), spec.mean, spec.std)
    return resize(standardized, spec.resize, spec.interpolation).contiguous()
