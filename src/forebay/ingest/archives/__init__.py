"""Archives, read in place: nothing is extracted under a name that an archive chose.

Members are addressed by their offset. Only a compressed file (gzip, bzip2, xz) around an archive is unpacked, into one
file of the step's own work folder, because such a stream cannot be read from the middle. The first bytes of a file tell
its kind; its name does not.
"""

from forebay.ingest.archives.open import open_archive, open_archives

__all__ = ["open_archive", "open_archives"]
