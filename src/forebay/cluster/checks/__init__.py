"""Checks of a cluster: what the platform needs of it, whether it is there, and what repairs it."""
