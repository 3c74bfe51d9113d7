"""Data in S3, as ingest reads it."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from forebay.errors import ConfigError
from forebay.object_store import SCHEME, client
from forebay.settings.ingest import S3_SPELLINGS


def is_uri(data: str) -> bool:
    """Tell an S3 URI from a local path."""
    return data.startswith(S3_SPELLINGS)


def list_objects(uri: str) -> Iterator[tuple[str, str, int, str]]:
    """Every object below a prefix, or the one object of that name: path below it, URI, size in bytes, ETag.

    A path that ends with a slash is the mark of a folder, as consoles make them.

    Raises:
        ConfigError: nothing of that name, no such bucket, no credentials, or no answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _split(uri)
    try:
        found = list(_below(bucket, f"{key}/" if key else "")) or list(_exactly(bucket, key))
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(
            f"ingest.data: {uri} cannot be listed: {error}. Check the bucket's name and AWS_ENDPOINT_URL, AWS_REGION, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    if not found:
        raise ConfigError(f"ingest.data: there is no object at or below {uri}. Give an existing key or prefix.")
    yield from found


def read(uri: str, offset: int, size: int) -> bytes:
    """The bytes of an object from `offset`; fewer than `size` where it ends before.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if size == 0:
        return b""  # a range of no bytes cannot be asked for
    bucket, key = _split(uri)
    try:
        answer = client().get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + size - 1}")
        body: bytes = answer["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRange":  # asked for beyond the end
            return b""
        raise OSError(f"{uri}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{uri}: {error}") from error
    return body


def size(uri: str) -> int:
    """How many bytes an object has.

    Raises:
        OSError: there is none, or S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        return int(client().head_object(Bucket=bucket, Key=key)["ContentLength"])


def upload(path: Path, uri: str) -> None:
    """Make an object of a file; it appears when all of it is there.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        client().upload_file(str(path), bucket, key)


def download(uri: str, path: Path) -> None:
    """Fetch a whole object into a file.

    Raises:
        OSError: there is none, or S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        client().download_file(bucket, key, str(path))


def below(uri: str) -> Iterator[tuple[str, datetime]]:
    """Every object below a prefix: its path there, and when it was written.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/"):
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(f"{key}/"), item["LastModified"]


def delete(uri: str) -> None:
    """Remove one object; nothing where there is none.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        client().delete_object(Bucket=bucket, Key=key)


@contextlib.contextmanager
def _as_os_error(uri: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise OSError(f"{uri}: {error}") from error


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket:
        raise ConfigError(f"ingest.data must look like s3://bucket/prefix, got {uri!r}")
    return bucket, key.rstrip("/")


def _below(bucket: str, prefix: str) -> Iterator[tuple[str, str, int, str]]:
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            path = item["Key"].removeprefix(prefix)
            if path:  # else the mark of the prefix itself
                yield path, f"{SCHEME}{bucket}/{item['Key']}", item["Size"], item["ETag"]


def _exactly(bucket: str, key: str) -> Iterator[tuple[str, str, int, str]]:
    for item in client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", []):
        if item["Key"] == key:  # the key itself sorts before all that it is a prefix of
            yield key.rpartition("/")[2], f"{SCHEME}{bucket}/{key}", item["Size"], item["ETag"]
