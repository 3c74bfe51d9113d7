"""What people mean by the suffix of a file's name: an archive, an image, or a file beside images."""

from collections import Counter
from collections.abc import Iterable

ARCHIVE_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip", ".tar.zst", ".7z", ".rar",
)  # fmt: skip
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
                  ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif")  # fmt: skip
# Files beside an image: its caption, its boxes, its features. Every other file of a class folder counts as an image,
# whatever its name is, because cameras and crawlers write names without a suffix.
_BESIDE_IMAGES = (".txt", ".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".md", ".rst",
                  ".html", ".htm", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".parquet", ".arrow", ".feather", ".pkl",
                  ".pickle", ".pt", ".pth", ".log", ".ini", ".cfg", ".xmp", ".aae", ".thm", ".md5", ".sha1", ".sha256",
                  ".db", ".sqlite", ".lst", ".rec", ".py", ".ipynb", ".sh", ".m", ".xls", ".xlsx", ".doc", ".docx",
                  ".cls")  # fmt: skip
SIDECAR_SUFFIXES = (*_BESIDE_IMAGES, *ARCHIVE_SUFFIXES)


def has_archive_suffix(name: str) -> bool:
    """Tell whether a file's name is that of an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def named_archive_kind(name: str) -> str:
    """The suffix of an archive's name."""
    return next(suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix))


def without_archive_suffix(path: str) -> str:
    """The path of the folder that an archive stands for: its own path without the archive's suffix."""
    suffixes = [suffix for suffix in ARCHIVE_SUFFIXES if path.lower().endswith(suffix)]
    return path[: -max(map(len, suffixes))] if suffixes else path


def has_image_suffix(name: str) -> bool:
    """Tell whether a file's name is that of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def has_sidecar_suffix(name: str) -> bool:
    """Tell whether a file's name is Whether the suffix marks a companion file that is not an image."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def most_common_suffixes(names: Iterable[str], most: int = 3) -> str:
    """The suffixes that occur most often, for messages: `.txt (12), .json (3)`."""
    counts = Counter(map(_suffix, names))
    return ", ".join(f"{suffix} ({count:,})" for suffix, count in counts.most_common(most))


def _suffix(name: str) -> str:
    """The suffix in small letters, or `no suffix`."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem and len(suffix) <= 10 else "no suffix"
