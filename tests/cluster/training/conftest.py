"""A small dataset, and settings that train on it within a second."""

from support.small_trainings import dataset, home, small

__all__ = ["dataset", "home", "small"]  # fixtures
