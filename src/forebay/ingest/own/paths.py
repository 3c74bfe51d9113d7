"""The files that options of a source name: they are watched for changes, and containers can read them."""

from dataclasses import replace
from pathlib import Path

from forebay.ingest.files.listing import list_files
from forebay.ingest.files.source_file import SourceFile
from forebay.object_store import is_s3_uri
from forebay.settings.own_source import OwnSource


def local_paths(own: OwnSource) -> list[str]:
    """The options that name a file or a folder of this machine: they hold a `/`, and it is there."""
    return [value for value in own.options.values() if _is_local(value)]


def with_absolute_paths(own: OwnSource) -> OwnSource:
    """The same source, whose options name files and folders in full."""
    options = {
        key: str(Path(value).expanduser().absolute()) if _is_local(value) else value
        for key, value in own.options.items()
    }
    return replace(own, options=options)


def watched_files(own: OwnSource) -> list[SourceFile]:
    """All files that options name, here and in S3, with what changes when they change.

    Raises:
        ConfigError: S3 refuses, or a folder cannot be read.
    """
    watched = [value for value in own.options.values() if _is_local(value) or is_s3_uri(value)]
    return [file for value in watched for file in list_files(value, "ingest.data")]


def _is_local(value: str) -> bool:
    try:
        return "/" in value and "://" not in value and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no path at all: too long, a NUL, no such user
        return False
