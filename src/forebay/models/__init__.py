"""Architectures by name, and the bundle that carries a trained one.

Importing this package is cheap; torch is imported with the first name taken from it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.models.bundle import Classifier, load_bundle, save_bundle
    from forebay.models.normalize import standardize
    from forebay.models.registry import build

__all__ = ["Classifier", "build", "load_bundle", "save_bundle", "standardize"]

_MODULES = {
    "Classifier": "bundle", "build": "registry", "load_bundle": "bundle", "save_bundle": "bundle",
    "standardize": "normalize",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the module that owns the name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
