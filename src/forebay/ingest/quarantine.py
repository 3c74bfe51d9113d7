"""The quarantine table: what is said of it, where a run keeps it, and when there is too much in it."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import QUARANTINE, QUARANTINE_SCHEMA
from forebay.errors import DamagedFileError, DataError
from forebay.ingest.files.suffixes import most_common_suffixes
from forebay.settings import AUTO, IngestConfig
from forebay.state import StepLog

SHOWN = 3
SUFFIXES_OF = 100_000  # rows whose suffixes are counted


def quarantine_rows(folder: Path, files: str = "*.parquet") -> Iterator[dict[str, Any]]:
    """The rows of a quarantine table, in order of their parts: source, label_name, reason and detail.

    Raises:
        DamagedFileError: a part cannot be read.
    """
    for path in sorted(folder.glob(files)):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DamagedFileError(
                path,
                error,
                lost="which images ingest did not take, and why",
                mend="Read them again: `forebay run --fresh`, or the same `forebay ingest`.",
            ) from error


def add_quarantine_warning(manifest: DataManifest, out: Path, images: int, where: str) -> DataManifest:
    """The manifest with what its warnings say of the quarantined images, before all others.

    Args:
        out: ingest's output folder, which holds the table.
        images: in the source.
        where: `quarantine_location`.
    """
    if not manifest.quarantined:
        return manifest
    total = sum(manifest.quarantined.values())
    text = f"{total} of {images} images are quarantined: {by_reason(manifest.quarantined)}. {examples(out)} {where}."
    return replace(manifest, warnings=[text, *manifest.warnings])


def examples(out: Path) -> str:
    """The first quarantined images with what was found, and the commonest suffixes."""
    rows = list(islice(quarantine_rows(out / QUARANTINE), SUFFIXES_OF))
    first = "; ".join(f"{row['source']}: {row['detail']}" for row in _varied(rows))
    return f"The first: {first}. Suffixes: {most_common_suffixes(row['source'] for row in rows)}."


def _varied(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each reason, the commonest reason first, then more of that one."""
    order = [reason for reason, _ in Counter(row["reason"] for row in rows).most_common()]
    firsts = [next(row for row in rows if row["reason"] == reason) for reason in order]
    taken = {id(row) for row in firsts[:SHOWN]}
    more = [row for row in rows if row["reason"] == order[0] and id(row) not in taken]
    return [*firsts[:SHOWN], *more[: max(0, SHOWN - len(firsts))]]


def by_reason(quarantined: dict[str, int]) -> str:
    """For people: `2 duplicate, 3 unreadable`."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(quarantined.items()))


def copy_to_run(out: Path, log: StepLog) -> None:
    """Put the table into the run's folder, where `forebay quarantine` finds it when the step's folder is long gone."""
    if log.events is None or not any((out / QUARANTINE).glob("*.parquet")):
        return
    kept = log.events.parent / f"{QUARANTINE}.parquet"
    temporary = kept.with_suffix(f".{os.getpid()}.tmp")
    with pq.ParquetWriter(temporary, QUARANTINE_SCHEMA) as writer:
        for path in sorted((out / QUARANTINE).glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch)
    temporary.replace(kept)


def quarantine_location(out: Path, log: StepLog) -> str:
    """Where a person sees the whole table: by a command here, in the step's folder on a cluster."""
    if log.events is None:
        return f"{out / QUARANTINE} (Parquet) holds them all"
    in_run = log.events.parent.parent == log.home.runs
    return f"`forebay quarantine {log.run_id if in_run else out}` lists them all"


def check(manifest: DataManifest, config: IngestConfig, rows: int, set_aside: int, out: Path, where: str) -> None:
    """Refuse data that is not worth training on.

    Args:
        rows: images in the source.
        set_aside: those of them that are unlabelled and meant to be.
        out: ingest's output folder.
        where: `quarantine_location`.

    Raises:
        DataError: too much is quarantined, or fewer than two classes are left.
    """
    bad, judged = sum(manifest.quarantined.values()) - set_aside, rows - set_aside
    if bad > config.max_quarantine * judged:
        raise DataError(
            source=config.data,
            problem=f"{bad} of {judged} images ({bad / judged:.1%}) are quarantined, more than "
            f"ingest.max_quarantine={config.max_quarantine:g} allows: {by_reason(manifest.quarantined)}. "
            f"{examples(out)[:-1]}",
            fix=f"{where}; {_ways(manifest, all_of_them=bad == judged)}.{_hint(manifest, config)}",
        )
    if len(manifest.classes) < 2:
        left = f": {manifest.classes[0]}" if manifest.classes else ""
        raise DataError(
            source=config.data,
            problem=f"{manifest.rows} rows in {len(manifest.classes)} class(es) are left{left}",
            fix=f"A classifier needs at least two classes: {_CLASSES.get(manifest.kind, _CLASSES['folder'])}"
            + "".join(f" {warning}" for warning in manifest.warnings[:SHOWN]),
        )


def _ways(manifest: DataManifest, *, all_of_them: bool) -> str:
    """What helps whatever the reason; where nothing is left, a larger share allowed does not."""
    mend = "give them labels" if set(manifest.quarantined) == {"unlabelled"} else "mend the images"
    return mend if all_of_them else f"{mend}, or raise ingest.max_quarantine"


def _hint(manifest: DataManifest, config: IngestConfig) -> str:
    commonest = max(manifest.quarantined, key=manifest.quarantined.__getitem__)
    if commonest != "unlabelled":
        return _HINTS.get(commonest, "")
    if config.class_level not in (AUTO, "1"):
        return f" ingest.class_level={config.class_level} makes folders of that depth classes; there are none above it."
    return _UNLABELLED.get(manifest.kind, _UNLABELLED["folder"])


_CLASSES = {
    "folder": "give a folder that holds one sub-folder per class, or name a table of labels with ingest.labels.",
    "labels": "ingest.label_column names the column of the table that holds them.",
    "parquet": "ingest.label_column names the column, or the key of folders such as label=cat, that holds them.",
}


_UNLABELLED = {
    "folder": " Images get their label from the folder they lie in, one sub-folder per class, or from a table that "
    "ingest.labels names.",
    "labels": " Images get their label from the line of the table that names them.",
    "webdataset": " Images get their label from the .cls file, or the .json file with a label, of the same name.",
    "parquet": " Rows get their label from a column or from folders such as label=cat; ingest.label_column says which.",
}


_HINTS = {
    "duplicate": " Images lie there more than once, such as in a copy of a folder: give one of them.",
    "conflicting_labels": " The same image has two labels, and none can be trusted: keep it under one of them.",
    "mis_sized": " ingest.on_size=resize takes images of every size.",
    "too_costly": " These files would take far more work than their pixels are worth, as such that are made to stop a "
    "server do; opened in an image editor and saved again as baseline JPEG or PNG, they are taken.",
    "too_large": " ingest.max_pixels and ingest.max_file_bytes are the limits.",
}
