"""From the folders of a source to classes and splits, by the rules that docs/data.md states."""

from forebay.ingest.layout.image_label import FolderLayout, ImageLabel
from forebay.ingest.layout.read import read_layout
from forebay.ingest.layout.tree import SourceFolder, folder_tree

__all__ = ["FolderLayout", "ImageLabel", "SourceFolder", "folder_tree", "read_layout"]
