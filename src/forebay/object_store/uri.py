"""Addresses in S3."""

from typing import NamedTuple

from forebay.errors import ConfigError

SCHEME = "s3://"
S3_SCHEMES = (SCHEME, "s3a://")  # Hadoop writes the second one; it names the same objects


class ObjectLocation(NamedTuple):
    """A bucket, and a key or a prefix in it."""

    bucket: str
    key: str  # without a slash at its end; empty for the whole bucket


def is_s3_uri(text: str) -> bool:
    """Tell an S3 URI from a local path."""
    return text.startswith(S3_SCHEMES)


def parse_uri(uri: str, setting: str = "The address of an object") -> ObjectLocation:
    """Split `s3://BUCKET` or `s3://BUCKET/KEY`.

    Args:
        setting: the setting or variable that holds the URI, for the message.

    Raises:
        ConfigError: the text is no such URI.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not is_s3_uri(uri) or not bucket:
        raise ConfigError(f"{setting} must look like s3://BUCKET/PREFIX, got {uri!r}.")
    return ObjectLocation(bucket, key.rstrip("/"))
