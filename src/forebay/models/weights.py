"""Put weights into a network, and check that they are numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from forebay.errors import ModelError

_RANDOM_FILLS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)


class WithoutInitialization(TorchFunctionMode):
    """Inside of it networks are built without random numbers, which take seconds for a large one.

    Their parameters hold whatever the memory held, so every one must be loaded afterwards. What is no parameter, such
    as a table that a constructor computes, is made as ever.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Give a parameter back as it is, where it would be filled with random numbers."""
        given = kwargs or {}
        if func in _RANDOM_FILLS or getattr(func, "__module__", "") == nn.init.__name__:
            filled = given.get("tensor", args[0] if args else None)
            if isinstance(filled, nn.Parameter):
                return filled
        return func(*args, **given)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a network of the same build.

    Raises:
        RuntimeError: names or shapes differ.
    """
    state = network.state_dict()  # it carries version marks that plain tensors lack and that mnasnet needs
    state.clear()
    state.update(weights)
    network.load_state_dict(state)


def check_finite(tensors: Mapping[str, Tensor], weights: Path | str) -> None:
    """Refuse weights that are not finite numbers.

    Raises:
        ModelError: NaN or infinity is among them.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(
                f"{weights}: {name} holds numbers that are not finite; the training diverged. Lower "
                "train.learning_rate and train again."
            )
