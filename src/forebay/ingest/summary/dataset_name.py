"""The name of a dataset, which is the registered model's name as well unless another one is given."""

import hashlib
import re
from pathlib import Path

from anyascii import anyascii

from forebay.ingest.unicode_form import nfc
from forebay.settings.ingest import DIGITS
from forebay.settings.own_source import parse_own_source

MAX_NAME_CHARACTERS = 63  # the limit of a registered model's name
GENERIC_NAMES = frozenset((
    "data", "dataset", "datasets", "images", "image", "imgs", "pictures", "photos", "files", "folder", "input", "train",
    "training", "out", "output", "tmp", "downloads",
))  # fmt: skip  # names that many datasets have: the gate would compare different datasets
_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz|zip|parquet|pq)$")


def dataset_name(data: str) -> str:
    """A name for the dataset, made from its path: lower-case letters, digits and hyphens.

    `/data/CIFAR10_train.tar.gz` gives `cifar10-train`, `/data/Кошки` gives `koshki`. A path without any letter gives
    `data-` and a digest of it.
    """
    last = _last_part(data)
    stem = _SUFFIX.sub("", last.lower())
    name = re.sub(r"[^a-z0-9]+", "-", anyascii(stem).lower()).strip("-")[:MAX_NAME_CHARACTERS].strip("-")
    return name or f"data-{hashlib.sha256(nfc(last).encode()).hexdigest()[:8]}"


def name_warning(data: str, name: str) -> list[str]:
    """A warning where a name could not be kept, or where many datasets have it; else an empty list."""
    last = _last_part(data)
    if data == DIGITS:
        return []
    if name in GENERIC_NAMES:
        return [
            f"The dataset is called {name!r} after its path, and so is the registered model; other data of that name "
            "would be compared with it. --name (evaluate.name) gives the model another one."
        ]
    if not last.isascii() or name.startswith("data-"):
        return [
            f"The dataset {last!r} is called {name!r}, and so is the registered model. --name (evaluate.name) gives "
            "the model another one."
        ]
    return []


def _last_part(data: str) -> str:
    if (own := parse_own_source(data)) is not None:
        return own.short_name
    if "://" in data:
        return data.rstrip("/").rpartition("/")[2]
    return data if data == DIGITS else Path(data).expanduser().resolve().name
