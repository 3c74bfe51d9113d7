"""Bringing the platform up on a cluster and down again: a plan made of facts, then plain kubectl, helm and kind."""
