"""Fixtures of the tests of a search: a small dataset and a state folder."""

from support.small_trainings import dataset, home

__all__ = ["dataset", "home"]  # fixtures
