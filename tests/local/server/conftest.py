"""One registry and one server for the tests of a module."""

from support.deploy_run import station

__all__ = ["station"]  # a fixture
