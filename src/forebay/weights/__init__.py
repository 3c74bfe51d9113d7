"""Pretrained weights: find them, keep them in the state folder, put them into a network.

Nothing is downloaded unless `train.weights` or `forebay weights fetch` asks for it. Two places read a pickle, each with
a digest and with torch's weights_only, which makes no object of it: `embedded` and `file`.
torch and timm are imported where weights are converted or copied, not with this package.
"""

from forebay.weights.embedded import EMBEDDED_ARCHITECTURE, EMBEDDED_NAME
from forebay.weights.errors import WeightsError
from forebay.weights.find import find_weights
from forebay.weights.load import load_pretrained
from forebay.weights.pretrained import InputFormat, PretrainedWeights

__all__ = [
    "EMBEDDED_ARCHITECTURE",
    "EMBEDDED_NAME",
    "InputFormat",
    "PretrainedWeights",
    "WeightsError",
    "find_weights",
    "load_pretrained",
]
