"""From the folders of a source to classes and splits, by the rules that docs/data.md states."""

from forebay.ingest.layout.read import Layout, Place, read_layout
from forebay.ingest.layout.tree import SUFFIXES, Folder, folder_tree, is_image, is_sidecar

__all__ = ["SUFFIXES", "Folder", "Layout", "Place", "folder_tree", "is_image", "is_sidecar", "read_layout"]
