"""The identity of what a source that somebody wrote would give now."""

import contextlib
import hashlib
import sys

from forebay.errors import ConfigError
from forebay.ingest.own.open_source import open_source
from forebay.ingest.own.paths import watched_files
from forebay.settings.own_source import OwnSource
from forebay.user_code import SOURCES_GROUP, package_identity


def own_source_fingerprint(own: OwnSource, code: str, *, ask: bool) -> str:
    """A hex digest of its code, its options, the files that these name, and what its `fingerprint` says.

    Args:
        own: the source.
        code: `ingest.source_code`.
        ask: whether to run its code. Where the steps run elsewhere, it may lack here what it imports.

    Raises:
        ConfigError: no package brings it, or a file that an option names cannot be read.
        UserCodeError: its code does not run.
    """
    identity = code if own.reference.file else _package_identity(own)
    digest = hashlib.sha256(f"{own}\0{identity}\0".encode())
    for file in watched_files(own):
        digest.update(f"{file.path}\0{file.size}\0{file.version}\n".encode())
    if ask:
        with contextlib.redirect_stdout(sys.stderr):  # standard output holds a command's result
            digest.update(open_source(own, code).fingerprint().encode())
    return digest.hexdigest()


def _package_identity(own: OwnSource) -> str:
    try:
        return package_identity(own.reference, SOURCES_GROUP)
    except ConfigError as error:  # most likely an address that somebody hoped would be read
        words = f"ingest.data takes a local path or s3://bucket/prefix, got {str(own)!r}. {error}"
        raise ConfigError(words) from error
