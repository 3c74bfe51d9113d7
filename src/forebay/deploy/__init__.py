"""The deploy step: serve a version, prove it with real rows, and only then make it champion.

Importing this package is cheap; numpy is imported with the step.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.deploy.step import deploy

__all__ = ["deploy"]


def __getattr__(name: str) -> Any:
    """Import the step's module with its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from forebay.deploy.step import deploy

    return deploy
