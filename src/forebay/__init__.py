"""Forebay: a production ML platform on Kubeflow Pipelines that also runs whole on one bare machine."""

from forebay.version import VERSION as __version__

__all__ = ["__version__"]
