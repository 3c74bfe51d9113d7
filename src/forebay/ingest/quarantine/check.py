"""Refuses data that is not worth training on, and says what would help."""

from pathlib import Path

from forebay.contracts.manifest import DataManifest
from forebay.errors import DataError
from forebay.ingest.quarantine.report import count_by_reason, describe_examples
from forebay.settings import AUTO, IngestConfig

WARNINGS_SHOWN = 3
_WHERE_CLASSES_STAND = {  # by kind of source
    "code": "each record that the source gives brings the name of its class.",
    "folder": "give a folder that holds one sub-folder per class, or name a table of labels with ingest.labels.",
    "labels": "ingest.label_column names the column of the table that holds them.",
    "parquet": "ingest.label_column names the column, or the key of folders such as label=cat, that holds them.",
}
_WHERE_LABELS_STAND = {  # by kind of source
    "code": " Each record that the source gives brings its label.",
    "folder": " Images get their label from the folder they lie in, one sub-folder per class, or from a table that "
    "ingest.labels names.",
    "labels": " Images get their label from the line of the table that names them.",
    "webdataset": " Images get their label from the .cls file, or the .json file with a label, of the same name.",
    "parquet": " Rows get their label from a column or from folders such as label=cat; ingest.label_column says which.",
}
_HINTS = {  # by reason
    "duplicate": " Images lie there more than once, such as in a copy of a folder: give one of them.",
    "conflicting_labels": " The same image has two labels, and none can be trusted: keep it under one of them.",
    "mis_sized": " ingest.on_size=resize takes images of every size.",
    "too_costly": " These files would take far more work than their pixels are worth, as do files made to stop a "
    "server; opened in an image editor and saved again as baseline JPEG or PNG, they are taken.",
    "too_large": " ingest.max_pixels and ingest.max_file_bytes are the limits.",
}


def check_quarantine(
    manifest: DataManifest, config: IngestConfig, images: int, set_aside: int, out: Path, location: str
) -> None:
    """Refuse data of which too much is quarantined.

    Args:
        manifest: what was read.
        config: `max_quarantine` is the limit.
        images: number of images in the source.
        set_aside: how many of them are unlabelled on purpose; they do not count.
        out: ingest's output folder.
        location: `quarantine_location`.

    Raises:
        DataError: too much is quarantined.
    """
    bad, judged = sum(manifest.quarantined.values()) - set_aside, images - set_aside
    if bad > config.max_quarantine * judged:
        raise DataError(
            source=config.data,
            problem=f"{bad} of {judged} images ({bad / judged:.1%}) are quarantined, more than "
            f"ingest.max_quarantine={config.max_quarantine:g} allows: {count_by_reason(manifest.quarantined)}. "
            f"{describe_examples(out)[:-1]}",
            fix=f"{location}; {_advice(manifest, all_of_them=bad == judged)}.{_hint(manifest, config)}",
        )


def check_class_count(manifest: DataManifest, config: IngestConfig) -> None:
    """Refuse data with fewer than two classes.

    Raises:
        DataError: fewer than two are left.
    """
    if len(manifest.classes) < 2:
        left = f": {manifest.classes[0]}" if manifest.classes else ""
        where = _WHERE_CLASSES_STAND.get(manifest.kind, _WHERE_CLASSES_STAND["folder"])
        raise DataError(
            source=config.data,
            problem=f"{manifest.rows} rows in {len(manifest.classes)} class(es) are left{left}",
            fix=f"A classifier needs at least two classes: {where}"
            + "".join(f" {warning}" for warning in manifest.warnings[:WARNINGS_SHOWN]),
        )


def _advice(manifest: DataManifest, *, all_of_them: bool) -> str:
    """What helps, whatever the reason. Where nothing is left, a higher limit would not help."""
    mend = "give them labels" if set(manifest.quarantined) == {"unlabelled"} else "mend the images"
    return mend if all_of_them else f"{mend}, or raise ingest.max_quarantine"


def _hint(manifest: DataManifest, config: IngestConfig) -> str:
    commonest = max(manifest.quarantined, key=manifest.quarantined.__getitem__)
    if commonest != "unlabelled":
        return _HINTS.get(commonest, "")
    if config.class_level not in (AUTO, "1"):
        return f" ingest.class_level={config.class_level} makes folders of that depth classes; there are none above it."
    return _WHERE_LABELS_STAND.get(manifest.kind, _WHERE_LABELS_STAND["folder"])
