"""Put weights into a network, and check that they are numbers."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from forebay.errors import ModelError


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
