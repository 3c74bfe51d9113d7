"""Whether a training begins with pretrained weights: a pure function of the settings and the data's manifest.

Held-out rows play no part in it. docs/pretrained.md says what was measured and what is a choice.
"""

from dataclasses import dataclass

from forebay.contracts.manifest import SplitManifest
from forebay.settings import AUTO, TrainConfig
from forebay.settings.model_names import TIMM
from forebay.weights import EMBEDDED_ARCHITECTURE, EMBEDDED_NAME
from forebay.weights.file import is_file_name
from forebay.weights.find import NONE, PUBLISHED, split_name
from forebay.weights.registered import PREFIX as REGISTERED

EMBEDDED_MODEL = f"{TIMM}/{EMBEDDED_ARCHITECTURE}"
SMALLEST_SIDE = 24  # pixels; smaller images show too little of what the backbone knows
SMALL_SIDE = 64  # pixels; up to here training from scratch is fast, and enough rows make it as good
SMALL_IMAGES_ROWS = 5_000  # training rows of such images from which on they are enough


@dataclass(frozen=True, kw_only=True)
class WeightsChoice:
    """The weights that a training begins with, and why."""

    weights: str  # as `forebay.weights.find_weights` takes them, or none
    model: str  # as train.model names it; auto where the choice says nothing about it
    reason: str  # one line for people


def choose_weights(config: TrainConfig, data: SplitManifest, *, embedded_installed: bool) -> WeightsChoice:
    """Resolve `train.weights`.

    Args:
        config: the settings as given.
        data: manifest of the dataset to train on.
        embedded_installed: whether the package of the embedded backbone is there.

    Returns:
        The choice; `reason` says for `auto` which fact of the data or the settings decided.
    """
    if config.weights != AUTO:
        return WeightsChoice(weights=config.weights, model=_model_of(config), reason="train.weights says so")
    against = _setting_against(config) or _data_against(data)
    if against:
        return WeightsChoice(weights=NONE, model=config.model, reason=against)
    if not embedded_installed:
        return WeightsChoice(weights=NONE, model=config.model, reason=NOT_INSTALLED)
    rows, size = data.splits["train"], f"{data.height}x{data.width}"
    reason = f"{rows} training rows of {size} in colour are better learned by a network that has seen photos"
    return WeightsChoice(weights=EMBEDDED_NAME, model=EMBEDDED_MODEL, reason=reason)


def _model_of(config: TrainConfig) -> str:
    """The network of weights that are asked for; auto where only the weights themselves tell it."""
    weights = config.weights
    if config.model != AUTO or weights == NONE or is_file_name(weights) or weights.startswith(REGISTERED):
        return config.model
    return EMBEDDED_MODEL if weights == PUBLISHED else f"{TIMM}/{split_name(weights)[0]}"


NOT_INSTALLED = "the package of the embedded backbone is not installed"


def _setting_against(config: TrainConfig) -> str:
    """The setting that speaks against the embedded backbone; empty where none does."""
    if config.model not in (AUTO, EMBEDDED_ARCHITECTURE, EMBEDDED_MODEL):
        return f"train.model={config.model} has no embedded weights"
    if config.width != AUTO:
        return f"train.width={config.width} asks for a network of our own"
    return ""


def _data_against(data: SplitManifest) -> str:
    """The fact of the data that speaks against the embedded backbone; empty where none does."""
    rows, size, side = data.splits["train"], f"{data.height}x{data.width}", min(data.height, data.width)
    if data.channels != 3:
        return "the images are grey, the embedded backbone has seen colour photos"
    if side < SMALLEST_SIDE:
        return f"images of {size} are too small for what the embedded backbone has seen"
    if max(data.height, data.width) <= SMALL_SIDE and rows > SMALL_IMAGES_ROWS:
        return f"{rows} training rows of {size} are enough to learn from scratch"
    return ""
