"""Preprocess: split the rows by content and lay them out as memory-mappable shards."""

from forebay.preprocess.step import preprocess

__all__ = ["preprocess"]
