"""The objects behind a URI: list them, and read ranges of their bytes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from forebay.errors import ConfigError
from forebay.object_store.client import shared_client
from forebay.object_store.errors import error_code, raise_os_errors
from forebay.object_store.uri import SCHEME, parse_uri


class StoredObject(NamedTuple):
    """An object as a listing shows it."""

    path: str  # below the prefix that was listed
    uri: str
    size_bytes: int
    etag: str
    modified: datetime


def list_objects(uri: str, setting: str) -> list[StoredObject]:
    """Every object below a prefix, or the one object with that key.

    A path that ends with a slash marks a folder; consoles make such objects.

    Args:
        uri: `s3://BUCKET/PREFIX` or `s3://BUCKET/KEY`.
        setting: the setting that holds the URI, for the messages.

    Raises:
        ConfigError: there is no such object or bucket, there are no credentials, or the store does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = parse_uri(uri, setting)
    client = shared_client()
    try:
        found = list(iterate_objects(client, bucket, f"{key}/" if key else "")) or _exact_object(client, bucket, key)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(
            f"{setting}: {uri} cannot be listed: {error}. Check the bucket's name and AWS_ENDPOINT_URL, AWS_REGION, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    if not found:
        raise ConfigError(f"{setting}: there is no object at or below {uri}. Give an existing key or prefix.")
    return found


def iterate_objects(client: Any, bucket: str, prefix: str) -> Iterator[StoredObject]:
    """The objects whose keys begin with the prefix; raises boto3's errors."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            path = item["Key"].removeprefix(prefix)
            if path:  # an empty one marks the prefix itself
                yield _stored_object(bucket, path, item)


def read_range(uri: str, offset: int, size: int) -> bytes:
    """The bytes of an object from `offset`; fewer than `size` where the object ends before.

    Raises:
        OSError: S3 refuses or does not answer. It is no FileNotFoundError where the object is gone: a source that
            changes while it is read ends the step, and no single image is blamed.
    """
    from botocore.exceptions import ClientError

    if size == 0:
        return b""  # HTTP knows no empty range
    bucket, key = parse_uri(uri)
    with raise_os_errors(uri, missing=OSError):
        try:
            answer = shared_client().get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + size - 1}")
        except ClientError as error:
            if error_code(error) == "InvalidRange":  # `offset` lies behind the last byte
                return b""
            raise
        body: bytes = answer["Body"].read()
        return body


def object_size(uri: str) -> int:
    """How many bytes an object has.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: S3 refuses or does not answer.
    """
    bucket, key = parse_uri(uri)
    with raise_os_errors(uri):
        return int(shared_client().head_object(Bucket=bucket, Key=key)["ContentLength"])


def _exact_object(client: Any, bucket: str, key: str) -> list[StoredObject]:
    found = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    exact = (item for item in found if item["Key"] == key)  # the key itself sorts before all that it is a prefix of
    return [_stored_object(bucket, key.rpartition("/")[2], item) for item in exact]


def _stored_object(bucket: str, path: str, item: Any) -> StoredObject:
    return StoredObject(path, f"{SCHEME}{bucket}/{item['Key']}", item["Size"], item["ETag"], item["LastModified"])
