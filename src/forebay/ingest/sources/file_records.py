"""Records of image files, and what to note about the files beside them."""

import os
from collections.abc import Iterator, Sequence

from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.suffixes import most_common_suffixes
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.layout import ImageLabel
from forebay.ingest.source_note import SourceNote
from forebay.text import count_noun


def image_record(file: SourceFile, label: ImageLabel) -> ImageRecord:
    """The index's record of an image file."""
    reason, detail = None, None
    if file.problem:
        reason, detail = "unreadable", file.problem
    elif label.label is None:
        reason, detail = "unlabelled", label.no_label_reason
    return ImageRecord(
        file.path, label.label, label.split, os.fsencode(file.uri), file.offset, file.size,
        reason=reason, detail=detail, zipped_bytes=file.zipped_bytes,
    )  # fmt: skip


def sidecar_notes(files: Sequence[SourceFile]) -> Iterator[SourceNote]:
    """A note on the files that were passed over beside the images; none where there are no such files."""
    if files:
        suffixes = most_common_suffixes(file.name for file in files)
        yield SourceNote(
            f"Passed over as no images: {count_noun(len(files), 'file')} ({suffixes}), such as {files[0].path}."
        )
