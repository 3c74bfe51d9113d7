"""The split that a Parquet file's path names, in folders or in the file's own name."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from forebay.ingest.labels.splits import find_split
from forebay.ingest.sources.parquet.columns import SPLIT_COLUMNS

PARTITION = re.compile(r"([^=]+)=(.*)", re.DOTALL)
NULL_VALUES = ("", "__HIVE_DEFAULT_PARTITION__", "__null__")  # the second is Hive's and Spark's, the third is older


def partition_values(path: str) -> dict[str, str | None]:
    """The values in a path's folders of Hive's form, key=value, percent-decoded; None stands for null."""
    pairs = [found for part in path.split("/")[:-1] if (found := PARTITION.fullmatch(part))]
    return {unquote(pair[1]): None if pair[2] in NULL_VALUES else unquote(pair[2]) for pair in pairs}


def split_in_path(path: str, partitions: Mapping[str, str | None]) -> str | None:
    """The split that a path names: by split=train/, else by the file's name, else by the folder closest to it."""
    for key, value in partitions.items():
        if key.lower() in SPLIT_COLUMNS and value is not None and (key.lower() == "split" or find_split(value)):
            return value
    *folders, name = path.split("/")
    parts = (name, *(part for part in reversed(folders) if not PARTITION.fullmatch(part)))
    return next((split for part in parts if (split := find_split(part))), None)
