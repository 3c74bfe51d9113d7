"""Looking at the machine: what a run needs, whether it is there, and what mends it."""
