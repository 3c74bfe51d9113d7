"""The path of an archive's member inside the source."""

import re

from forebay.ingest.files.source_file import printable

_DRIVE = re.compile(r"[A-Za-z]:")


def member_path(name: str) -> str:
    """Clean up a member's name. Leading slashes and drives may be dropped, because nothing is extracted.

    Backslashes separate folders in a name that has no slash: a program on Windows wrote it.
    """
    parts = (name if "/" in name else name.replace("\\", "/")).split("/")
    if len(parts) > 1 and _DRIVE.fullmatch(parts[0]):
        parts = parts[1:]
    return printable("/".join(part for part in parts if part not in (".", "")))
