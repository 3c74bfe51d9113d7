"""The folders of a source, with how many images lie in each."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from forebay.ingest.files.source_file import SourceFile, SourceListing
from forebay.ingest.files.suffixes import has_image_suffix, has_sidecar_suffix

MAX_DEPTH = 32  # files below deeper folders count for the folder of this depth; a hostile archive may nest without end


@dataclass(eq=False)
class SourceFolder:
    """One folder of a source."""

    path: str  # inside the source, empty for the top
    name: str
    images: int = 0  # files directly in it, without sidecars
    folders: dict[str, "SourceFolder"] = field(default_factory=dict)  # by name

    def count_images(self) -> int:
        """The number of images in it and in all folders below."""
        return self.images + sum(folder.count_images() for folder in self.folders.values())

    def walk(self) -> Iterator["SourceFolder"]:
        """Itself and every folder below."""
        yield self
        for folder in self.folders.values():
            yield from folder.walk()


def folders_with_images(folders: Iterable[SourceFolder]) -> list[SourceFolder]:
    """The folders in which, or below which, an image lies."""
    return [folder for folder in folders if folder.count_images()]


def folder_tree(listing: SourceListing, name: str) -> SourceFolder:
    """Build the tree of a source's folders, empty ones included.

    Args:
        listing: what lies in the source.
        name: the name of the top folder.
    """
    top = SourceFolder("", name)
    files = [file for file in listing.files if not escapes_archive(file.path)]
    counts = Counter(folder_path(file.path) for file in files if counts_as_image(file))
    paths = {folder_path(file.path) for file in files} | {folder_path(f"{path}/") for path in listing.empty_folders}
    for path in sorted(paths):
        _ensure_folder(top, path).images = counts[path]
    return top


def escapes_archive(path: str) -> bool:
    """Tell an archive's member that would be extracted outside; it is quarantined, and its folders do not count."""
    return ".." in path.split("/")


def folder_path(path: str) -> str:
    """The path of the `SourceFolder` in which a file lies."""
    if path.count("/") > MAX_DEPTH:
        return "/".join(path.split("/", MAX_DEPTH + 1)[:-1][:MAX_DEPTH])
    return path.rpartition("/")[0]


def counts_as_image(file: SourceFile) -> bool:
    """In a folder, every file but a sidecar counts as an image; at the top, only a file with an image's suffix."""
    return has_image_suffix(file.name) or ("/" in file.path and not has_sidecar_suffix(file.name))


def _ensure_folder(top: SourceFolder, path: str) -> SourceFolder:
    folder = top
    for name in path.split("/") if path else ():
        if name not in folder.folders:
            folder.folders[name] = SourceFolder(f"{folder.path}/{name}" if folder.path else name, name)
        folder = folder.folders[name]
    return folder
