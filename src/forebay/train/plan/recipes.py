"""Presets of augmentation, mixing, averaging and stochastic depth: what `train.recipe` stands for."""

from dataclasses import dataclass, replace

from forebay.errors import TrainError
from forebay.settings import AUTO, TrainConfig
from forebay.train.augmentation.augmentation import NONE, TRIVIALAUGMENT

SMALL = "small"
STANDARD = "standard"
STRONG = "strong"
AVERAGED_SHARE = 0.05  # of all steps: how far back the average of the weights reaches by itself
FEWEST_AVERAGED_STEPS = 10
DEFAULT_WARMUP = {"onecycle": 0.2}  # fraction of all steps; 0 for other schedules


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parts of a recipe; units as in the settings of the same names."""

    crop_scale: float = 1.0
    rotation: float = 0.0
    color_jitter: float = 0.0
    auto_augment: str = NONE
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    averaged: bool = False  # ema_decay follows the number of steps


RECIPES = {
    SMALL: Recipe(),
    STANDARD: Recipe(crop_scale=0.6, color_jitter=0.2, erasing=0.25, averaged=True),
    STRONG: Recipe(crop_scale=0.35, auto_augment=TRIVIALAUGMENT, erasing=0.25, mixup=0.2, cutmix=1.0, averaged=True),
}


def recipe_name(config: TrainConfig) -> str:
    """The preset that is used: small, which changes nothing, unless another is asked for."""
    return SMALL if config.recipe == AUTO else config.recipe


def preset(name: str, *, is_tiny: bool) -> Recipe:
    """The parts that a preset sets.

    Args:
        name: small, standard or strong.
        is_tiny: whether images are so small that moving or covering a few pixels loses what they show.
    """
    recipe = RECIPES[name]
    if is_tiny:
        return replace(recipe, crop_scale=1.0, rotation=0.0, auto_augment=NONE, erasing=0.0, cutmix=0.0)
    return recipe


def averaging_decay(steps: int) -> float:
    """The decay of an average that reaches back over a twentieth of all steps; 0 where there are too few to average."""
    if steps < 2 * FEWEST_AVERAGED_STEPS:
        return 0.0
    return round(1 - 1 / max(FEWEST_AVERAGED_STEPS, AVERAGED_SHARE * steps), 5)


def check_recipe(*, mixes: bool, batch_rows: int, ema_decay: float, steps: int) -> None:
    """Refuse parts that make no sense for this training.

    Raises:
        TrainError: a batch of one row is to be mixed, or the average of the weights reaches back over the start.
    """
    if mixes and batch_rows < 2:
        raise TrainError(
            f"train.batch_rows is {batch_rows}, and train.mixup and train.cutmix mix the rows of a batch. "
            "Set train.batch_rows=2 or more, or train.mixup=0 and train.cutmix=0."
        )
    averaged_steps = 1 / (1 - ema_decay)
    if ema_decay and averaged_steps > steps:
        raise TrainError(
            f"train.ema_decay={ema_decay:g} averages the weights over some {averaged_steps:.0f} steps, but the "
            f"training has {steps} in all. Set train.ema_decay={averaging_decay(steps):g}, or train more epochs."
        )
