"""Put pretrained weights into a network that was built for other classes, and perhaps for grey images."""

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import PretrainedWeights

if TYPE_CHECKING:
    from torch import Tensor, nn

    Tensors = dict[str, Tensor]

_AUXILIARY = re.compile(r"aux", re.IGNORECASE)  # classifiers beside the last one, which only the first training uses
_COUNTER = "num_batches_tracked"  # files of old versions lack it


def load_pretrained(network: "nn.Module", pretrained: PretrainedWeights, channels: int) -> list[str]:
    """Copy weights into a network by name and shape.

    The last layer is left as it is where the number of classes differs. The first convolution is adapted to another
    number of channels: for grey images it is summed over the colours, which answers to a grey image as the colours do
    to three equal ones. A first convolution of another size, as torchvision's networks get for small images, is left
    as it is.

    Args:
        network: as `forebay.models.build` made it; on the CPU. It is not changed where this raises.
        pretrained: the weights.
        channels: 1 for grey images, 3 for colour.

    Returns:
        The names of the network's tensors that were not taken, in the network's order.

    Raises:
        WeightsError: the weights are another network's (the first tensor that does not fit is named), or they are not
            all finite numbers.
    """
    found = _rename(network, _read(network, pretrained))
    _check_finite(found, pretrained)
    taken: Tensors = {}
    missing: list[str] = []
    head, stem = _head_names(network), _stem_name(network)
    for name, wanted in network.state_dict().items():
        tensor = _adapt_channels(found[name], channels) if name == stem and name in found else found.get(name)
        if tensor is not None and tensor.shape == wanted.shape:
            taken[name] = tensor
        elif name in head or name.endswith(_COUNTER) or (name == stem and _differs_in_size_only(tensor, wanted)):
            missing.append(name)
        else:
            raise _mismatch(pretrained, name, tensor, wanted)
    _refuse_unknown(found, network, pretrained)
    if head.intersection(missing):  # a bias without its weights is of no use
        missing = [name for name in network.state_dict() if name in head or name in missing]
    _copy(network, taken, missing)
    return missing


def _read(network: "nn.Module", pretrained: PretrainedWeights) -> "Tensors":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Tensors = load_file(pretrained.path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{pretrained.path} cannot be read as safetensors: {error}.") from error
    if pretrained.library != "timm":
        return tensors
    # timm gives some networks a function that brings published weights to a network's names and image size
    adapt = getattr(sys.modules.get(type(network).__module__), "checkpoint_filter_fn", None)
    return tensors if adapt is None else dict(adapt(tensors, network))


def _rename(network: "nn.Module", found: "Tensors") -> "Tensors":
    """The last layer under the network's name: a dropout before it moves it one level down."""
    from forebay.models.layers import last_layers

    renamed = dict(found)
    for path in last_layers(network):
        outer = path.removesuffix(".1")
        for name in ("weight", "bias"):
            for other in (f"{outer}.{name}", f"{outer}.1.{name}"):
                if other in renamed and other != f"{path}.{name}" and other not in network.state_dict():
                    renamed[f"{path}.{name}"] = renamed.pop(other)
    return renamed


def _head_names(network: "nn.Module") -> set[str]:
    from forebay.models.layers import last_layers

    return {f"{path}.{name}" for path, layer in last_layers(network).items() for name in layer.state_dict()}


def _stem_name(network: "nn.Module") -> str:
    from forebay.models.layers import first_convolution

    first = first_convolution(network)
    return f"{first[0]}.weight" if first else ""


def _adapt_channels(filters_OIHW: "Tensor", channels: int) -> "Tensor":
    inputs = filters_OIHW.shape[1] if filters_OIHW.ndim == 4 else channels
    if inputs == channels:
        return filters_OIHW
    return filters_OIHW.sum(1, keepdim=True).repeat(1, channels, 1, 1) / channels


def _differs_in_size_only(found: "Tensor | None", wanted: "Tensor") -> bool:
    """Whether a first convolution has the same number of filters, only larger or smaller ones."""
    return found is not None and found.shape[:2] == wanted.shape[:2]


def _check_finite(found: "Mapping[str, Tensor]", pretrained: PretrainedWeights) -> None:
    for name, tensor in found.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(
                f"{pretrained.source}: {name} holds numbers that are not finite. Give other weights, or "
                "train.weights=none."
            )


def _refuse_unknown(found: "Mapping[str, Tensor]", network: "nn.Module", pretrained: PretrainedWeights) -> None:
    """A smaller network of the same family fits into a larger one's weights, and would be half of it."""
    known, head = network.state_dict(), _head_names(network)
    heads = tuple({name.rpartition(".")[0].removesuffix(".1") + "." for name in head})
    unknown = [name for name in found if name not in known and not name.endswith(_COUNTER)]
    for name in unknown:
        if not _AUXILIARY.match(name) and not name.startswith(heads):
            raise WeightsError(f"{_does_not_fit(pretrained)}: the network has no {name}. {_advice(pretrained)}")


def _mismatch(pretrained: PretrainedWeights, name: str, found: "Tensor | None", wanted: "Tensor") -> WeightsError:
    shape = "x".join(map(str, wanted.shape))
    problem = f"they have no {name}" if found is None else f"{name} is {'x'.join(map(str, found.shape))}, not {shape}"
    return WeightsError(f"{_does_not_fit(pretrained)}: {problem}. {_advice(pretrained)}")


def _does_not_fit(pretrained: PretrainedWeights) -> str:
    return f"The weights of {pretrained.source} do not fit the network"


def _advice(pretrained: PretrainedWeights) -> str:
    if not pretrained.architecture:
        return "Set train.model to the network that they were trained with, or train.weights=none."
    known = "/".join(filter(None, (pretrained.library, pretrained.architecture)))
    return f"They are those of {known}: set train.model={known}, or train.weights=none."


def _copy(network: "nn.Module", taken: "Mapping[str, Tensor]", missing: list[str]) -> None:
    from forebay.models.weights import load_weights

    own = network.state_dict()
    load_weights(network, {name: own[name] if name in missing else taken[name] for name in own})
