"""Forebay beside plain tools, in one run on one machine: `python -m benchmarks`."""
