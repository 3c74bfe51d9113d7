"""The train step: fit a network on prepared shards, resumable at any moment.

Importing this package is cheap; torch is imported with the first name taken from it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.train.result import TrainResult
    from forebay.train.step import fit

__all__ = ["TrainResult", "fit"]


def __getattr__(name: str) -> Any:
    """Import the step's module with its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from forebay.train import result, step

    return getattr(step if name == "fit" else result, name)
