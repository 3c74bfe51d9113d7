"""From the folders of a source to classes and splits, by the rules that docs/data.md states."""

from forebay.ingest.layout.read import FolderLayout, ImageLabel, read_layout
from forebay.ingest.layout.tree import SUFFIXES, SourceFolder, folder_tree, has_sidecar_suffix, is_image

__all__ = [
    "SUFFIXES",
    "FolderLayout",
    "ImageLabel",
    "SourceFolder",
    "folder_tree",
    "has_sidecar_suffix",
    "is_image",
    "read_layout",
]
