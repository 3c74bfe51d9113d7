"""The libraries of graphs, which come with an extra of the wheel."""

from importlib import import_module
from types import ModuleType

from forebay.errors import MachineError
from forebay.models.graph.limits import EXTRA


def import_for_graphs(*names: str) -> tuple[ModuleType, ...]:
    """Import libraries by name.

    Raises:
        MachineError: one is not installed; the message names the extra.
    """
    try:
        return tuple(import_module(name) for name in names)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {name.partition(".")[0] for name in names}:
            raise
        raise MachineError(
            f"A model with a network of your own needs {error.name}, which is not installed here. Install it with "
            f"`pip install 'forebay[{EXTRA}]'`; the container images train and serve have it."
        ) from error
