"""Every test here has a machine to work on."""

from bringup_machine import machine

__all__ = ["machine"]
