"""Checks of this machine: what a run needs, whether it is there, and what repairs it."""
