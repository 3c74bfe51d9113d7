"""What a member of an archive is called inside the source."""

import re

from forebay.ingest.files.files import printable

_DRIVE = re.compile(r"[A-Za-z]:")


def member_path(name: str) -> str:
    """The path of a member, as nothing is extracted: leading slashes and drives do no harm.

    A name without a slash that has backslashes was written by a program on Windows, whatever others are like.
    """
    parts = (name if "/" in name else name.replace("\\", "/")).split("/")
    if len(parts) > 1 and _DRIVE.fullmatch(parts[0]):
        parts = parts[1:]
    return printable("/".join(part for part in parts if part not in (".", "")))
