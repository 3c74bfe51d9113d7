"""One registry and one server for the tests of a module."""

from support.deploy_run import deploy_run

__all__ = ["deploy_run"]  # a fixture
