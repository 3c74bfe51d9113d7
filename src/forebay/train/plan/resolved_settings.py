"""Replace every `auto` in the settings by a value: a pure function of settings, data manifest and hardware."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from forebay.contracts.manifest import SplitManifest
from forebay.errors import TrainError
from forebay.models.resnet9 import LARGEST_STAGE
from forebay.settings import AUTO, TrainConfig
from forebay.settings.image_rules import BILINEAR
from forebay.settings.model_names import DEFAULT_MODEL, MLP, ONNX, OWN_MODELS, RESNET9, ModelName, find_model
from forebay.settings.own_model import own_model
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.plan import fine_tuning
from forebay.train.plan.fine_tuning import FROM_SCRATCH, FirstWeights
from forebay.train.plan.hardware import HardwareInfo
from forebay.train.plan.recipes import DEFAULT_WARMUP, averaging_decay, check_recipe, preset, recipe_name
from forebay.weights import PretrainedWeights
from forebay.weights.find import NONE

TARGET_ROWS_SEEN = 800_000  # over all epochs; auto aims at it within EPOCHS
EPOCHS = (8, 16)  # fewest and most
AUGMENTED_EPOCHS = (8, 20)  # an image that looks different each time can be shown more often
FEWEST_STEPS = 350  # with few rows, auto takes more epochs to reach it, up to MOST_EPOCHS
MOST_EPOCHS = 100
BATCH_ROWS = (64, 256)  # smallest and largest
TARGET_STEPS_PER_EPOCH = 20  # auto aims at it within BATCH_ROWS
PARALLEL_PIXELS = 65_536  # in a smaller batch, threads wait for each other longer than they compute
SHIFTABLE_SIDE = 14  # pixels; in smaller images (digits: 8x8) a shift by one pixel costs accuracy

_SGD_FAMILIES = ("resnet", "resnext", "wide_resnet", "densenet", "regnet")  # they have batch norm throughout
_SGD_BATCH_ROWS = 256  # the peak rates below were found with this batch


@dataclass(frozen=True, kw_only=True)
class ResolvedSettings:
    """The train settings as used; together with data and code they decide the weights."""

    library: str
    model: str
    width: int | None  # None where the model has no such option
    weights: str  # where the first weights are from; none for random ones
    weights_sha256: str  # of the file of these weights
    weights_reason: str  # why these
    resize: list[int] | None  # height and width that the network sees; None where it sees the stored images
    interpolation: str
    mean: list[float]  # per channel, in 0..1 units
    std: list[float]
    epochs: int
    head_epochs: int  # the first of them, in which only the last layer learns
    batch_rows: int
    learning_rate: float
    layer_decay: float
    optimizer: str
    weight_decay: float
    schedule: str
    label_smoothing: float
    dropout: float
    class_weights: str
    recipe: str
    augment: str
    crop_scale: float
    rotation: float
    color_jitter: float
    auto_augment: str
    erasing: float
    mixup: float
    cutmix: float
    ema_decay: float
    drop_path: float | None  # None: what the model has by itself
    warmup: float
    whiten: bool  # resnet9 only: it begins with fixed, decorrelated patches
    early_stop_epochs: int
    precision: str
    threads: int
    seed: int
    device: str
    model_code_sha256: str = ""  # of a network of the user's own; of the text of its file, or of its package's code
    processes: int = 1  # number of processes that train together, each on its rows of a batch

    @property
    def options(self) -> dict[str, Any]:
        """The options for `forebay.models.build`; a network of the user's own has none."""
        if self.library == ONNX:
            return {}
        sized = {} if self.width is None else {"width": self.width}
        ours = {"mirror": self.augment == "shift_flip", "whiten": self.whiten} if self.model == RESNET9 else {}
        return {**sized, **ours, "dropout": self.dropout}

    @property
    def augmentation(self) -> Augmentation:
        """What is done to the images of a batch."""
        return Augmentation(**{each.name: getattr(self, each.name) for each in fields(Augmentation)})

    def network_size(self, data: SplitManifest) -> tuple[int, int]:
        """Height and width of the images that the network sees."""
        return (self.resize[0], self.resize[1]) if self.resize else (data.height, data.width)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON, for the bundle, the checkpoint key and MLflow."""
        return asdict(self)


def resolve_settings(
    config: TrainConfig,
    data: SplitManifest,
    hardware: HardwareInfo,
    processes: int = 1,
    first_weights: FirstWeights = FROM_SCRATCH,
) -> ResolvedSettings:
    """Fill in every `auto`.

    Args:
        config: the settings as given.
        data: manifest of the dataset to train on.
        hardware: facts of the machine that trains.
        processes: number of processes that train together.
        first_weights: what the training begins with.

    Raises:
        TrainError: a setting has no meaning for the model, or this machine cannot provide it.
    """
    pretrained = first_weights.pretrained
    library, model = _model(config, first_weights)
    augment = _text(config.augment, _augment(data))
    seen = _seen(config, data, pretrained)
    steps = _optimization(config, data, library, model, augment, processes, pretrained)
    return ResolvedSettings(
        library=library,
        model=model,
        width=_width(config, model, data, pretrained),
        **_weights(first_weights),
        **seen,
        **steps,
        **{name: getattr(config, name) for name in _AS_GIVEN},
        augment=augment,
        **_recipe(config, data, steps["batch_rows"], steps["epochs"] * (data.splits["train"] // steps["batch_rows"])),
        drop_path=None if config.drop_path == AUTO else float(config.drop_path),
        warmup=_float(config.warmup, DEFAULT_WARMUP.get(config.schedule, 0.0)),
        whiten=_whiten(model, data, pretrained),
        early_stop_epochs=_early_stop(config, data),
        precision=_text(config.precision, _precision(pretrained is not None, hardware)),
        threads=_int(config.threads, _threads(steps["batch_rows"], seen["resize"], data, hardware)),
        model_code_sha256=hashlib.sha256(config.model_code.encode()).hexdigest() if library == ONNX else "",
        device=hardware.device,
        processes=processes,
    )


_AS_GIVEN = ("weight_decay", "schedule", "label_smoothing", "dropout", "class_weights", "seed")


def _weights(first_weights: FirstWeights) -> dict[str, Any]:
    pretrained = first_weights.pretrained
    return {
        "weights": pretrained.source if pretrained else NONE,
        "weights_sha256": pretrained.sha256 if pretrained else "",
        "weights_reason": first_weights.choice.reason,
    }


def _optimization(
    config: TrainConfig,
    data: SplitManifest,
    library: str,
    model: str,
    augment: str,
    processes: int,
    pretrained: PretrainedWeights | None,
) -> dict[str, Any]:
    """Batches, epochs, optimizer and rates; pretrained weights want others than random ones."""
    rows, tuned = data.splits["train"], pretrained is not None
    auto_rows = fine_tuning.BATCH_ROWS if tuned else _batch_rows(rows)
    batch_rows = _shareable(min(_int(config.batch_rows, auto_rows), rows), processes)
    auto_epochs = fine_tuning.epochs_of(rows) if tuned else _epochs(rows, rows // batch_rows, augment)
    epochs = _int(config.epochs, auto_epochs)
    optimizer = _text(config.optimizer, "adamw" if tuned or library == ONNX else _optimizer(model))
    auto_rate = fine_tuning.LEARNING_RATE if tuned else _learning_rate(model, optimizer, batch_rows)
    return {
        "batch_rows": batch_rows,
        "epochs": epochs,
        "head_epochs": fine_tuning.head_epochs(config, epochs, pretrained),
        "optimizer": optimizer,
        "learning_rate": _float(config.learning_rate, auto_rate),
        "layer_decay": fine_tuning.layer_decay(config, pretrained),
    }


def _recipe(config: TrainConfig, data: SplitManifest, batch_rows: int, steps: int) -> dict[str, Any]:
    """The preset's parts, or what is given in their place."""
    name = recipe_name(config)
    parts = preset(name, is_tiny=min(data.height, data.width) < SHIFTABLE_SIDE)
    decay = _float(config.ema_decay, averaging_decay(steps) if parts.averaged else 0.0)
    mixup, cutmix = _float(config.mixup, parts.mixup), _float(config.cutmix, parts.cutmix)
    check_recipe(mixes=mixup + cutmix > 0, batch_rows=batch_rows, ema_decay=decay, steps=steps)
    return {
        "recipe": name,
        "crop_scale": _float(config.crop_scale, parts.crop_scale),
        "rotation": _float(config.rotation, parts.rotation),
        "color_jitter": _float(config.color_jitter, parts.color_jitter),
        "auto_augment": _text(config.auto_augment, parts.auto_augment),
        "erasing": _float(config.erasing, parts.erasing),
        "mixup": mixup,
        "cutmix": cutmix,
        "ema_decay": decay,
    }


def _shareable(batch_rows: int, processes: int) -> int:
    """The rows of a batch, unless they are too few for all processes."""
    if processes > 1 and batch_rows < 2 * processes:
        raise TrainError(
            f"train.batch_rows is {batch_rows}, and {processes} processes share each batch: batch norm needs two rows "
            f"in each of them. Set train.batch_rows={2 * processes} or more, or fewer train.nodes."
        )
    return batch_rows


def _model(config: TrainConfig, first_weights: FirstWeights) -> ModelName:
    wanted, pretrained = first_weights.choice.model if config.model == AUTO else config.model, first_weights.pretrained
    if wanted == AUTO and pretrained and pretrained.architecture:
        return ModelName(pretrained.library, pretrained.architecture)
    found = find_model(DEFAULT_MODEL if wanted == AUTO else wanted)
    if not found and own_model(config.model):
        _check_own(config, pretrained)
        return ModelName(ONNX, config.model)
    assert found, f"the rule of train.model let {config.model} pass"
    return found


def _check_own(config: TrainConfig, pretrained: PretrainedWeights | None) -> None:
    if config.dropout:
        raise TrainError(
            f"train.dropout is {config.dropout:g}, but {config.model} is a network of your own, which Forebay does not "
            "change. Put nn.Dropout into it, and leave train.dropout=0."
        )
    if pretrained or config.input_size != AUTO:
        name, value = ("weights", config.weights) if pretrained else ("input_size", config.input_size)
        raise TrainError(
            f"train.{name} is {value}, but {config.model} is a network of your own, which takes the images as they are "
            f"stored and begins with the weights that its code gives it. Leave train.{name}=auto."
        )


def _width(config: TrainConfig, model: str, data: SplitManifest, pretrained: PretrainedWeights | None) -> int | None:
    if config.width == AUTO and pretrained and "width" in pretrained.options:
        return int(pretrained.options["width"])
    widths = {MLP: 256, RESNET9: 16 if data.channels == 1 or min(data.height, data.width) <= 16 else 40}
    if model in widths:
        return _int(config.width, widths[model])
    if config.width != AUTO:
        raise TrainError(
            f"train.width is {config.width}, but {model} has no such setting (mlp and resnet9 have). "
            "Leave train.width=auto or choose train.model=resnet9."
        )
    return None


def _whiten(model: str, data: SplitManifest, pretrained: PretrainedWeights | None) -> bool:
    """Whitening was found to help on colour photos that the network sees in full resolution."""
    if pretrained:
        return bool(pretrained.options.get("whiten", False))
    side = min(data.height, data.width)
    return model == RESNET9 and data.channels == 3 and SHIFTABLE_SIDE <= side <= LARGEST_STAGE


def _early_stop(config: TrainConfig, data: SplitManifest) -> int:
    if config.early_stop_epochs and not data.splits["validation"]:
        raise TrainError(
            f"train.early_stop_epochs is {config.early_stop_epochs}, but the data has no validation rows to judge by. "
            "Set preprocess.validation=0.05 or train.early_stop_epochs=0."
        )
    return config.early_stop_epochs


def _epochs(rows: int, steps_per_epoch: int, augment: str) -> int:
    low, high = EPOCHS if augment == "none" else AUGMENTED_EPOCHS
    by_rows = min(max(math.ceil(TARGET_ROWS_SEEN / rows), low), high)
    return max(by_rows, min(math.ceil(FEWEST_STEPS / steps_per_epoch), MOST_EPOCHS))


def _batch_rows(rows: int) -> int:
    """A power of two that gives about TARGET_STEPS_PER_EPOCH."""
    low, high = BATCH_ROWS
    wanted = max(rows // TARGET_STEPS_PER_EPOCH, 1)
    return min(max(1 << round(math.log2(wanted)), low), high)


def _threads(batch_rows: int, resize: Sequence[int] | None, data: SplitManifest, hardware: HardwareInfo) -> int:
    height, width = resize or (data.height, data.width)
    return hardware.cores if batch_rows * height * width >= PARALLEL_PIXELS else 1


def _precision(tuned: bool, hardware: HardwareInfo) -> str:
    """On a CPU, the embedded backbone's convolutions by channel take twice as long backwards in bf16 as in fp32."""
    return "bf16" if hardware.bf16 and not (tuned and hardware.device == "cpu") else "fp32"


def _seen(config: TrainConfig, data: SplitManifest, pretrained: PretrainedWeights | None) -> dict[str, Any]:
    """What the network is given of the stored images."""
    given = pretrained.input if pretrained else None
    mean, std = fine_tuning.normalization(data, pretrained)
    return {
        "resize": fine_tuning.input_size(config, data, pretrained),
        "interpolation": given.interpolation if given else BILINEAR,
        "mean": mean,
        "std": std,
    }


def _augment(data: SplitManifest) -> str:
    if min(data.height, data.width) < SHIFTABLE_SIDE:
        return "none"
    return "shift" if data.channels == 1 else "shift_flip"


def _optimizer(model: str) -> str:
    return "sgd" if model.startswith(_SGD_FAMILIES) else "adamw"


def _learning_rate(model: str, optimizer: str, batch_rows: int) -> float:
    """The peak rate. For SGD it grows with the square root of the batch, so that small batches keep moving."""
    if optimizer == "adamw":
        return 2e-3 if model in OWN_MODELS else 1e-3 if own_model(model) else 5e-4
    peak = 0.4 if model == RESNET9 else 0.1
    return round(peak * math.sqrt(batch_rows / _SGD_BATCH_ROWS), 4)


def _int(value: str, auto: int) -> int:
    return auto if value == AUTO else int(value)


def _float(value: str, auto: float) -> float:
    return auto if value == AUTO else float(value)


def _text(value: str, auto: str) -> str:
    return auto if value == AUTO else value
