"""What a person is told about quarantined images."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import QUARANTINE
from forebay.ingest.files.suffixes import most_common_suffixes
from forebay.ingest.quarantine.table import quarantine_rows

ROWS_SHOWN = 3
MAX_ROWS_READ = 100_000  # for the examples and the suffixes


def add_quarantine_warning(manifest: DataManifest, out: Path, images: int, location: str) -> DataManifest:
    """Put a warning on the quarantined images before all others.

    Args:
        manifest: the manifest without that warning.
        out: ingest's output folder, which holds the table.
        images: number of images in the source.
        location: `quarantine_location`.
    """
    if not manifest.quarantined:
        return manifest
    total = sum(manifest.quarantined.values())
    reasons = count_by_reason(manifest.quarantined)
    text = f"{total} of {images} images are quarantined: {reasons}. {describe_examples(out)} {location}."
    return replace(manifest, warnings=[text, *manifest.warnings])


def describe_examples(out: Path) -> str:
    """The first quarantined images with what was found, and the commonest suffixes."""
    rows = list(islice(quarantine_rows(out / QUARANTINE), MAX_ROWS_READ))
    first = "; ".join(f"{row['source']}: {row['detail']}" for row in _varied(rows))
    return f"The first: {first}. Suffixes: {most_common_suffixes(row['source'] for row in rows)}."


def count_by_reason(quarantined: dict[str, int]) -> str:
    """The numbers of images, for messages: `2 duplicate, 3 unreadable`."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(quarantined.items()))


def _varied(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each reason, the commonest reason first, then more rows of that reason."""
    order = [reason for reason, _ in Counter(row["reason"] for row in rows).most_common()]
    firsts = [next(row for row in rows if row["reason"] == reason) for reason in order]
    taken = {id(row) for row in firsts[:ROWS_SHOWN]}
    more = [row for row in rows if row["reason"] == order[0] and id(row) not in taken]
    return [*firsts[:ROWS_SHOWN], *more[: max(0, ROWS_SHOWN - len(firsts))]]
