"""A search for good settings on this machine: its data, its lock, and what a signal leaves of it."""
