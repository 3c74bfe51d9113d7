"""Archives, read in place: nothing is extracted under a name that an archive chose.

Members are addressed by their offset. Only a compressed file around an archive (gzip, bzip2, xz) is unpacked, into one
file of the step's own work folder, because such a stream cannot be read from the middle. What a file is, its first
bytes say, never its name.
"""

from forebay.ingest.archives.open import ARCHIVE_SUFFIXES, open_archive, open_archives

__all__ = ["ARCHIVE_SUFFIXES", "open_archive", "open_archives"]
