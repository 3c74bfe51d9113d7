"""Thin KFP components: one per step, no branches, no loops; the logic is in `forebay.<step>`."""
