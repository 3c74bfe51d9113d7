"""Forebay: a production ML platform on Kubeflow Pipelines that also runs whole on one bare machine."""

from forebay.version import VERSION

__version__ = VERSION
