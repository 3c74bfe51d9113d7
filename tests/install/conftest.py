"""Every test here has a machine to work on."""

from support.install_machine import charts, machine

__all__ = ["charts", "machine"]
