"""Architectures by name, and the bundle that carries a trained one.

Importing this package is cheap; torch is imported with the first name taken from it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.models.architectures import build
    from forebay.models.bundle_files import load_bundle, save_bundle
    from forebay.models.classifier import Classifier
    from forebay.models.image_model import ImageModelFactory
    from forebay.models.normalize import resize, standardize

__all__ = ["Classifier", "ImageModelFactory", "build", "load_bundle", "resize", "save_bundle", "standardize"]

_MODULES = {
    "Classifier": "classifier", "build": "architectures", "load_bundle": "bundle_files", "save_bundle": "bundle_files",
    "resize": "normalize", "standardize": "normalize", "ImageModelFactory": "image_model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the module that owns the name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
