"""From settings with `auto` to the numbers that are used: a pure function of settings, data manifest and machine."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from forebay.contracts.manifest import SplitManifest
from forebay.errors import TrainError
from forebay.models.networks import LARGEST_STAGE
from forebay.settings import AUTO, TrainConfig
from forebay.train.machine import Machine

DEFAULT_MODEL = "resnet9"
ROWS_SEEN = 800_000  # over all epochs, that auto aims at within the limits of EPOCHS
EPOCHS = (8, 16)
AUGMENTED_EPOCHS = (8, 20)  # an image that comes differently each time bears more passes
STEPS = 350  # at least; few rows get more epochs for it, up to MOST_EPOCHS
MOST_EPOCHS = 100
BATCH_ROWS = (64, 256)
STEPS_PER_EPOCH = 20  # that auto aims at within the limits of BATCH_ROWS
PARALLEL_PIXELS = 65_536  # of a batch; below it threads wait for each other longer than they compute
SHIFTABLE = 14  # pixels a side; in smaller images (digits: 8x8) a shift by one pixel costs accuracy

_RESIDUAL = ("resnet", "resnext", "wide_resnet", "densenet", "regnet")  # with batch norm throughout: SGD's home
_SGD_BATCH_ROWS = 256  # that the peak rates below were found with


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The train settings as used; together with data and code they decide the weights."""

    model: str
    width: int | None  # None where the model has no such option
    epochs: int
    batch_rows: int
    learning_rate: float
    optimizer: str
    weight_decay: float
    schedule: str
    label_smoothing: float
    dropout: float
    class_weights: str
    augment: str
    whiten: bool  # resnet9 only: begins with fixed, decorrelated patches
    early_stop_epochs: int
    precision: str
    threads: int
    seed: int
    device: str
    processes: int = 1  # that train together, each on its rows of a batch

    @property
    def options(self) -> dict[str, Any]:
        """For `forebay.models.build`."""
        sized = {} if self.width is None else {"width": self.width}
        ours = {"mirror": self.augment == "shift_flip", "whiten": self.whiten} if self.model == DEFAULT_MODEL else {}
        return {**sized, **ours, "dropout": self.dropout}

    def record(self) -> dict[str, Any]:
        """As JSON, for the bundle, the checkpoint key and MLflow."""
        return asdict(self)


def resolve(config: TrainConfig, data: SplitManifest, machine: Machine, processes: int = 1) -> Resolved:
    """Fill in every `auto`.

    Args:
        config: as given.
        data: what is trained on.
        machine: that trains.
        processes: that train together.

    Raises:
        TrainError: a setting that has no meaning for the model or cannot be had on this machine.
    """
    rows = data.splits["train"]
    model = DEFAULT_MODEL if config.model == AUTO else config.model
    batch_rows = min(_int(config.batch_rows, _batch_rows(rows)), rows)
    if processes > 1 and batch_rows < 2 * processes:
        raise TrainError(
            f"train.batch_rows is {batch_rows}, and {processes} processes share each batch: batch norm needs two rows "
            f"in each of them. Set train.batch_rows={2 * processes} or more, or fewer train.nodes."
        )
    optimizer = _text(config.optimizer, _optimizer(model))
    augment = _text(config.augment, _augment(data))
    return Resolved(
        model=model,
        width=_width(config, model, data),
        epochs=_int(config.epochs, _epochs(rows, rows // batch_rows, augment)),
        batch_rows=batch_rows,
        learning_rate=_float(config.learning_rate, _learning_rate(model, optimizer, batch_rows)),
        optimizer=optimizer,
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        label_smoothing=config.label_smoothing,
        dropout=config.dropout,
        class_weights=config.class_weights,
        augment=augment,
        whiten=_whiten(model, data),
        early_stop_epochs=_early_stop(config, data),
        precision=_text(config.precision, "bf16" if machine.bf16 else "fp32"),
        threads=_int(config.threads, _threads(batch_rows, data, machine)),
        seed=config.seed,
        device=machine.device,
        processes=processes,
    )


def _width(config: TrainConfig, model: str, data: SplitManifest) -> int | None:
    widths = {"mlp": 256, "resnet9": 16 if data.channels == 1 or min(data.height, data.width) <= 16 else 40}
    if model in widths:
        return _int(config.width, widths[model])
    if config.width != AUTO:
        raise TrainError(
            f"train.width is {config.width}, but {model} has no such setting (mlp and resnet9 have). "
            "Leave train.width=auto or choose train.model=resnet9."
        )
    return None


def _whiten(model: str, data: SplitManifest) -> bool:
    """Where it was found to help: on colour photos that the network sees in full resolution."""
    return model == DEFAULT_MODEL and data.channels == 3 and SHIFTABLE <= min(data.height, data.width) <= LARGEST_STAGE


def _early_stop(config: TrainConfig, data: SplitManifest) -> int:
    if config.early_stop_epochs and not data.splits["validation"]:
        raise TrainError(
            f"train.early_stop_epochs is {config.early_stop_epochs}, but the data has no validation rows to judge by. "
            "Set preprocess.validation=0.05 or train.early_stop_epochs=0."
        )
    return config.early_stop_epochs


def _epochs(rows: int, steps_per_epoch: int, augment: str) -> int:
    low, high = EPOCHS if augment == "none" else AUGMENTED_EPOCHS
    by_rows = min(max(math.ceil(ROWS_SEEN / rows), low), high)
    return max(by_rows, min(math.ceil(STEPS / steps_per_epoch), MOST_EPOCHS))


def _batch_rows(rows: int) -> int:
    """A power of two near a fixed number of steps per epoch."""
    low, high = BATCH_ROWS
    wanted = max(rows // STEPS_PER_EPOCH, 1)
    return min(max(1 << round(math.log2(wanted)), low), high)


def _threads(batch_rows: int, data: SplitManifest, machine: Machine) -> int:
    return machine.cores if batch_rows * data.height * data.width >= PARALLEL_PIXELS else 1


def _augment(data: SplitManifest) -> str:
    if min(data.height, data.width) < SHIFTABLE:
        return "none"
    return "shift" if data.channels == 1 else "shift_flip"


def _optimizer(model: str) -> str:
    return "sgd" if model.startswith((DEFAULT_MODEL, *_RESIDUAL)) else "adamw"


def _learning_rate(model: str, optimizer: str, batch_rows: int) -> float:
    """Peak rate. For SGD it grows with the square root of the batch, so that small batches keep moving."""
    if optimizer == "adamw":
        return 2e-3 if model in ("mlp", "lenet5", DEFAULT_MODEL) else 5e-4
    peak = 0.4 if model == DEFAULT_MODEL else 0.1
    return round(peak * math.sqrt(batch_rows / _SGD_BATCH_ROWS), 4)


def _int(value: str, auto: int) -> int:
    return auto if value == AUTO else int(value)


def _float(value: str, auto: float) -> float:
    return auto if value == AUTO else float(value)


def _text(value: str, auto: str) -> str:
    return auto if value == AUTO else value
