"""What `auto` means for a training that begins with pretrained weights: small pure functions.

The numbers were found on 1 000 images of CIFAR-10; the results are told of other images.
"""

import math
from dataclasses import dataclass

from forebay.contracts.manifest import SplitManifest
from forebay.errors import TrainError
from forebay.settings import AUTO, TrainConfig
from forebay.train.plan.pretrained_rule import WeightsChoice
from forebay.weights import PretrainedWeights
from forebay.weights.find import NONE

TARGET_ROWS_SEEN = 6_000  # after the head's epochs; auto aims at it within EPOCHS
EPOCHS = (5, 30)  # fewest and most
HEAD_EPOCHS = 3
BATCH_ROWS = 32
LEARNING_RATE = 1e-3  # of the last layer
LAYER_DECAY = 0.75
SHORT_SIDES = (128, 160)  # pixels that the network sees of small images and of larger ones
LARGEST_SMALL_SIDE = 96
SIDE_STEP = 32  # pixels; networks halve their images five times
LONGEST_ASPECT = 2.0  # of what the network sees


@dataclass(frozen=True, kw_only=True)
class FirstWeights:
    """What a training begins with."""

    choice: WeightsChoice
    pretrained: PretrainedWeights | None  # None for random weights


FROM_SCRATCH = FirstWeights(choice=WeightsChoice(weights=NONE, model=AUTO, reason=""), pretrained=None)


def input_size(config: TrainConfig, data: SplitManifest, pretrained: PretrainedWeights | None) -> list[int] | None:
    """Height and width that the network sees; None for the images as they are stored."""
    stored = [data.height, data.width]
    if config.input_size != AUTO:
        wanted = [int(side) for side in config.input_size.split("x")]
    elif pretrained is None or pretrained.input is None:
        wanted = stored
    elif pretrained.registered:  # it was trained on this size, whatever suits a backbone
        wanted = [pretrained.input.height, pretrained.input.width]
    else:
        wanted = _scaled(*stored)
    return None if wanted == stored else wanted


def _scaled(height: int, width: int) -> list[int]:
    short = min(height, width)
    wanted = SHORT_SIDES[short > LARGEST_SMALL_SIDE]
    return [round(wanted * min(side / short, LONGEST_ASPECT) / SIDE_STEP) * SIDE_STEP for side in (height, width)]


def normalization(data: SplitManifest, pretrained: PretrainedWeights | None) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel: those of the backbone's training, else those of the training rows."""
    if pretrained is None or pretrained.input is None:
        return data.mean, data.std
    return pretrained.input.for_channels(data.channels)


def epochs_of(rows: int) -> int:
    """Passes over the rows, those of the head included."""
    low, high = EPOCHS
    return HEAD_EPOCHS + min(max(math.ceil(TARGET_ROWS_SEEN / rows), low), high)


def head_epochs(config: TrainConfig, epochs: int, pretrained: PretrainedWeights | None) -> int:
    """The first of the epochs, in which only the last layer learns.

    Raises:
        TrainError: there is nothing to keep as it is, or there are fewer epochs.
    """
    if config.head_epochs == AUTO:
        return min(HEAD_EPOCHS, epochs - 1) if pretrained else 0
    wanted = int(config.head_epochs)
    if wanted and pretrained is None:
        raise TrainError(
            f"train.head_epochs is {wanted}, but the training begins with random weights, which must not stay as they "
            "are. Set train.weights, or train.head_epochs=0."
        )
    if wanted > epochs:
        raise TrainError(f"train.head_epochs is {wanted}, more than train.epochs={epochs}. Lower it.")
    return wanted


def layer_decay(config: TrainConfig, pretrained: PretrainedWeights | None) -> float:
    """The factor of the learning rate from each layer to the one before it.

    Raises:
        TrainError: the first layers have nothing yet that should stay.
    """
    if config.layer_decay == AUTO:
        return LAYER_DECAY if pretrained else 1.0
    wanted = float(config.layer_decay)
    if wanted < 1 and pretrained is None:
        raise TrainError(
            f"train.layer_decay is {config.layer_decay}, but the training begins with random weights, of which every "
            "layer has all to learn. Set train.weights, or leave train.layer_decay=auto."
        )
    return wanted
