"""Files of a source, wherever they lie: on disk, in S3 or in an archive."""
