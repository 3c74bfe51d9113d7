"""Checkpoints: what one holds, the folder that keeps them, and their copies in an object store."""
