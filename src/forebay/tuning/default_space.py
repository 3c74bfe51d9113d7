"""The space that is searched where nobody gives one: around the settings that a training resolves by itself."""

from collections.abc import Collection

from forebay.contracts.manifest import SplitManifest
from forebay.settings.model_names import ONNX
from forebay.train.plan.resolved_settings import ResolvedSettings
from forebay.tuning.space import Choice, Dimension, Range, SearchSpace
from forebay.weights.find import NONE

CHEAP_PIXELS = 2_000 * 160 * 160  # in all training rows as the network sees them: below it a larger size is tried
FEW_ROWS = 5_000  # training rows up to which longer trainings are tried
LARGER = 1.25  # than the size that the network sees by itself
SIDE_STEP = 32
COSTLY = ("train.epochs", "train.input_size")  # other values than the default ones make a training longer


def default_space(settings: ResolvedSettings, data: SplitManifest, given: Collection[str]) -> SearchSpace:
    """The space for this data and this first network.

    Args:
        settings: those of a training as it would be without a search.
        data: what is trained on.
        given: keys that a person set; they stay as they are.
    """
    rate = settings.learning_rate
    found: dict[str, Dimension] = {
        "train.learning_rate": Range(_short(rate / 4), _short(rate * 4), log=True),
        "train.weight_decay": Range(5e-5, 2e-2, log=True),
        "train.label_smoothing": Range(0.0, 0.2, step=0.05),
        "train.recipe": Choice(("small", "standard", "strong")),
    }
    if data.splits["train"] <= FEW_ROWS:
        found["train.epochs"] = Choice((str(settings.epochs), str(2 * settings.epochs)))
    if settings.library != ONNX:
        found["train.dropout"] = Range(0.0, 0.4, step=0.1)
    if settings.weights != NONE:
        found["train.layer_decay"] = Range(0.6, 0.9, step=0.05)
        sizes = _input_sizes(settings, data)
        found |= {"train.input_size": sizes} if sizes else {}
    return SearchSpace({key: dimension for key, dimension in found.items() if key not in given})


def _input_sizes(settings: ResolvedSettings, data: SplitManifest) -> Choice | None:
    """The size by itself and a larger one, where the data are so few that it costs little."""
    height, width = settings.network_size(data)
    larger = [max(round(side * LARGER / SIDE_STEP), 1) * SIDE_STEP for side in (height, width)]
    if larger == [height, width] or larger[0] * larger[1] * data.splits["train"] > CHEAP_PIXELS:
        return None
    return Choice((f"{height}x{width}", f"{larger[0]}x{larger[1]}"))


def _short(value: float) -> float:
    return float(f"{value:.3g}")
