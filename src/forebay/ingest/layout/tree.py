"""The folders of a source, with how many images lie in each."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from forebay.ingest.archives import ARCHIVE_SUFFIXES
from forebay.ingest.files.files import SourceFile, SourceListing

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
            ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif")  # fmt: skip
# Beside an image: its caption, its boxes, its features. Every other file of a class folder is taken for an image,
# whatever it is called, because cameras and crawlers write names without a suffix.
_SIDECARS = (".txt", ".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".md", ".rst",
             ".html", ".htm", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".parquet", ".arrow", ".feather", ".pkl",
             ".pickle", ".pt", ".pth", ".log", ".ini", ".cfg", ".xmp", ".aae", ".thm", ".md5", ".sha1", ".sha256",
             ".db", ".sqlite", ".lst", ".rec", ".py", ".ipynb", ".sh", ".m", ".xls", ".xlsx", ".doc", ".docx",
             ".cls")  # fmt: skip
SIDECARS = (*_SIDECARS, *ARCHIVE_SUFFIXES)
DEPTH = 32  # folders below these belong to them; a hostile archive may nest without end


def is_image(name: str) -> bool:
    """Tell an image by its suffix."""
    return name.lower().endswith(SUFFIXES)


def has_sidecar_suffix(name: str) -> bool:
    """Tell a file that lies beside images and is none, by its suffix."""
    return name.lower().endswith(SIDECARS)


def suffix_of(name: str) -> str:
    """The suffix in small letters, or `no suffix`."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem and len(suffix) <= 10 else "no suffix"


@dataclass(eq=False)
class SourceFolder:
    """One folder of a source."""

    path: str  # inside the source, empty for the top
    name: str
    images: int = 0  # directly in it: every file but sidecars
    folders: dict[str, "SourceFolder"] = field(default_factory=dict)

    def all_images(self) -> int:
        """In it and below."""
        return self.images + sum(folder.all_images() for folder in self.folders.values())

    def below(self) -> Iterator["SourceFolder"]:
        """Itself and every folder below."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()


def folder_tree(listing: SourceListing, name: str) -> SourceFolder:
    """The folders of a source, empty ones too.

    Args:
        name: of the top folder.
    """
    top = SourceFolder("", name)
    files = [file for file in listing.files if not escapes_archive(file.path)]
    counts = Counter(folder_path(file.path) for file in files if _counts(file))
    folders = {folder_path(file.path) for file in files} | {folder_path(f"{path}/") for path in listing.empty_folders}
    for path in sorted(folders):
        _folder(top, path).images = counts[path]
    return top


def escapes_archive(path: str) -> bool:
    """Tell a member of an archive that would be written beside it: it is quarantined, and its folders are none."""
    return ".." in path.split("/")


def folder_path(path: str) -> str:
    """The path of the `SourceFolder` in which a file lies."""
    return "/".join(path.split("/", DEPTH + 1)[:-1][:DEPTH]) if path.count("/") > DEPTH else path.rpartition("/")[0]


def _counts(file: SourceFile) -> bool:
    """In a class folder every file but a sidecar is taken for an image; at the top only what is called one."""
    return is_image(file.name) or ("/" in file.path and not has_sidecar_suffix(file.name))


def _folder(top: SourceFolder, path: str) -> SourceFolder:
    folder = top
    for part in path.split("/") if path else ():
        if part not in folder.folders:
            folder.folders[part] = SourceFolder(f"{folder.path}/{part}" if folder.path else part, part)
        folder = folder.folders[part]
    return folder


def counted(number: int, thing: str) -> str:
    """For people: `1 image`, `12 images`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def most_common_suffixes(names: Iterable[str], most: int = 3) -> str:
    """For people: `.txt (12), .json (3)`."""
    counted = Counter(suffix_of(name) for name in names)
    return ", ".join(f"{suffix} ({count:,})" for suffix, count in counted.most_common(most))
