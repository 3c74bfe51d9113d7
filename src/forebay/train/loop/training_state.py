"""The state of a training between two steps: everything that a checkpoint must hold, and nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit
from forebay.models import build, standardize
from forebay.models.memory import usable_memory_bytes
from forebay.models.resnet9 import ResNet9
from forebay.models.stochastic_depth import set_drop_path
from forebay.models.weights import load_weights
from forebay.train.checkpoints.checkpoint import Checkpoint
from forebay.train.loop.batches import derive_seed
from forebay.train.loop.fine_tuning import FineTuning
from forebay.train.loop.history import EpochRecord
from forebay.train.loop.optimize import make_optimizer
from forebay.train.loop.weight_average import WeightAverage
from forebay.train.own_network import OwnNetwork
from forebay.train.plan.resolved_settings import ResolvedSettings
from forebay.weights import PretrainedWeights, load_pretrained

WHITENING_ROWS = 4096  # training rows from which resnet9 computes its fixed first layer


@dataclass
class TrainingState:
    """Network, optimizer and position. Restored from a checkpoint, training goes on with the same bits."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    sums: Tensor  # float64 (2,) on the device: loss and hits of this epoch so far
    fine_tuning: FineTuning | None = None  # None where the training began with random weights
    average: WeightAverage | None = None  # of the weights; None where it is not asked for
    step: int = 0  # number of optimizer steps done
    history: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)  # weights of the best epoch; only with early stop
    best_epoch: int = 0
    finished: bool = False

    @property
    def delivered_network(self) -> nn.Module:
        """The network that is validated and delivered: that of the averaged weights, where there is one."""
        return self.average.network if self.average else self.network

    def average_weights(self) -> None:
        """Take the present weights into the average, where there is one; part of every step."""
        if self.average:
            self.average.update(self.network, self.step)

    def final_weights(self) -> dict[str, Tensor]:
        """The weights to deliver: with early stop those of the best epoch, else the last ones."""
        return self.best or self.delivered_network.state_dict()

    def remember_best(self) -> None:
        """Keep a copy of the weights that would be delivered now."""
        weights = self.delivered_network.state_dict()
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self.best_epoch = len(self.history)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state, by a flat name."""
        named = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        named |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        if self.average:
            named |= {f"average.{name}": tensor for name, tensor in self.average.network.state_dict().items()}
        for index, parameter in enumerate(self._parameters()):
            for name, tensor in self.optimizer.state.get(parameter, {}).items():
                named[f"optimizer.{index}.{name}"] = tensor
        return separate_tensors({**named, "sums": self.sums})

    def facts(self) -> dict[str, Any]:
        """The rest of the state as JSON."""
        return {"step": self.step, "history": self.curves(), "best_epoch": self.best_epoch, "finished": self.finished}

    def curves(self) -> list[dict[str, Any]]:
        """The training curves as JSON, as `history.json` holds them."""
        return [asdict(record) for record in self.history]

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint."""
        load_weights(self.network, _under("network.", checkpoint.tensors))
        self.best = _under("best.", checkpoint.tensors)
        if self.average:
            load_weights(self.average.network, _under("average.", checkpoint.tensors))
        for index, parameter in enumerate(self._parameters()):
            for name, tensor in _under(f"optimizer.{index}.", checkpoint.tensors).items():
                self.optimizer.state[parameter][name] = _in_layout_of(parameter, tensor)
        self.sums.copy_(checkpoint.tensors["sums"])
        self.step = checkpoint.facts["step"]
        self.history = [EpochRecord(**record) for record in checkpoint.facts["history"]]
        self.best_epoch = checkpoint.facts["best_epoch"]
        self.finished = checkpoint.facts["finished"]

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def initial_state(
    settings: ResolvedSettings,
    data: SplitManifest,
    train: DatasetSplit,
    own: OwnNetwork | None = None,
    pretrained: PretrainedWeights | None = None,
) -> TrainingState:
    """The state at step 0, in channels_last on the device.

    Args:
        settings: of the training.
        data: manifest of the dataset.
        train: its training rows.
        own: makes the network, where it is the user's.
        pretrained: the weights to begin with; None for weights from the seed and some training rows.

    Raises:
        ModelError: the model cannot take such images, has no blocks for drop_path, or the pretrained weights are
            another one's.
        UserCodeError, TrainError: the user's code makes no network that can be trained.
        MemoryError: the machine cannot hold the weights.
    """
    network = _build(settings, data, own)
    fine_tuning = None
    if pretrained is not None:
        fine_tuning = FineTuning.of(network, load_pretrained(network, pretrained, data.channels))
    elif isinstance(network, ResNet9):
        # Shards are in the order of the images' digests, so the first rows are a fair sample.
        sample_NHWC = torch.from_numpy(train.images_NHWC(0, WHITENING_ROWS))
        network.fit_whitening(standardize(sample_NHWC.permute(0, 3, 1, 2), data.mean, data.std))
    if settings.drop_path is not None:
        set_drop_path(network, settings.drop_path, settings.model)
    layout = torch.channels_last if own is None else torch.preserve_format
    network = network.to(settings.device, memory_format=layout)  # type: ignore[call-overload]
    return TrainingState(
        network,
        make_optimizer(network, settings, fine_tuning.layers if fine_tuning else None),
        sums=torch.zeros(2, dtype=torch.float64, device=settings.device),
        fine_tuning=fine_tuning,
        average=WeightAverage(network, settings.ema_decay) if settings.ema_decay else None,
    )


def _build(settings: ResolvedSettings, data: SplitManifest, own: OwnNetwork | None) -> nn.Module:
    shape = (data.channels, *settings.network_size(data), len(data.classes))
    copies = 3 if settings.ema_decay else 2
    if own is None:
        with torch.device("meta"):  # sizes without memory
            check_memory(build(settings.model, settings.options, *shape, library=settings.library), copies)
    torch.manual_seed(derive_seed(settings.seed, "weights"))
    if own is None:
        return build(settings.model, settings.options, *shape, library=settings.library)
    network = own.build_for(data)
    check_memory(network, copies)
    return network


def check_memory(network: nn.Module, copies: int = 2, usable_bytes: int | None = None) -> None:
    """Check, before anything is allocated, that weights, gradients and an average fit; training takes at least these.

    Linux grants memory that it does not have and kills the process that touches it, without a message.

    Args:
        network: may be on the meta device.
        copies: how often numbers as many as the weights are held.
        usable_bytes: memory that may be taken; None asks the machine.

    Raises:
        MemoryError: they do not fit.
    """
    usable_bytes = usable_memory_bytes() if usable_bytes is None else usable_bytes
    needed_bytes = copies * sum(parameter.nbytes for parameter in network.parameters())
    if needed_bytes > usable_bytes:
        raise MemoryError(f"{needed_bytes} bytes are needed for weights and gradients, {usable_bytes} are free")


def separate_tensors(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each in memory of its own: a file has no word for weights that two layers share."""
    separate: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in named.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        separate[name] = plain.clone() if storage in seen else plain
        seen.add(storage)
    return separate


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _in_layout_of(parameter: nn.Parameter, saved: Tensor) -> Tensor:
    """The saved buffer in the parameter's memory layout: another layout may round differently in the last bit."""
    if saved.shape != parameter.shape:
        return saved  # a step counter
    return torch.empty_like(parameter, requires_grad=False).copy_(saved)
