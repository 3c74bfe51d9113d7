"""From the text of `train.weights` to a safetensors file on this machine."""

from forebay.state import Home
from forebay.weights.embedded import EMBEDDED_ARCHITECTURE, EMBEDDED_NAME, embedded_backbone
from forebay.weights.errors import WeightsError
from forebay.weights.file import is_file_name, weights_file
from forebay.weights.pretrained import PretrainedWeights

PUBLISHED = "published"


def find_weights(weights: str, model: str, *, home: Home, sha256: str = "") -> PretrainedWeights:
    """Find pretrained weights and bring them to this machine.

    Args:
        weights: `published`, a name of timm's weights such as `efficientnet_lite0.embedded`, or the path of a
            safetensors file.
        model: the network that they are for, as `train.model` names it, for example `timm/efficientnet_lite0`.
        home: the state folder, which keeps what was fetched or converted.
        sha256: digest that the file must have; empty where any will do.

    Raises:
        WeightsError: there are none; the message says what to give.
    """
    if is_file_name(weights):
        return weights_file(weights, sha256)
    name = model.removeprefix("timm/") if weights == PUBLISHED else weights.removeprefix("timm/")
    if name in (EMBEDDED_ARCHITECTURE, EMBEDDED_NAME):
        return embedded_backbone(home)
    raise WeightsError(
        f"train.weights={weights}: there are no such weights for {model}. Give {EMBEDDED_NAME}, the path of a "
        "safetensors file, or none."
    )
