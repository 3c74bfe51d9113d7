"""Register: one MLflow model version per bundle.

Importing this package is cheap, because MLflow imports it to find the loader module.
"""

from forebay.register.step import register

__all__ = ["register"]
