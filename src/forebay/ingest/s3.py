"""S3 through boto3, which is imported only when an `s3://` URI is met."""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.settings.ingest import S3_SPELLINGS

SCHEME = "s3://"
_ACCOUNT = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")


def is_uri(data: str) -> bool:
    """Tell an S3 URI from a local path."""
    return data.startswith(S3_SPELLINGS)


def list_objects(uri: str) -> Iterator[tuple[str, str, int, str]]:
    """Every object below a prefix, or the one object of that name: path below it, URI, size in bytes, ETag.

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
        answer = _client().get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + size - 1}")
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
        return int(_client().head_object(Bucket=bucket, Key=key)["ContentLength"])


def upload(path: Path, uri: str) -> None:
    """Make an object of a file; it appears when all of it is there.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        _client().upload_file(str(path), bucket, key)


def download(uri: str, path: Path) -> None:
    """Fetch a whole object into a file.

    Raises:
        OSError: there is none, or S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        _client().download_file(bucket, key, str(path))


def below(uri: str) -> Iterator[tuple[str, datetime]]:
    """Every object below a prefix: its path there, and when it was written.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/"):
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(f"{key}/"), item["LastModified"]


def delete(uri: str) -> None:
    """Remove one object; nothing where there is none.

    Raises:
        OSError: S3 refuses or does not answer.
    """
    bucket, key = _split(uri)
    with _as_os_error(uri):
        _client().delete_object(Bucket=bucket, Key=key)


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
    for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/"):  # consoles mark "folders" by empty objects
                path = item["Key"].removeprefix(prefix)
                yield path, f"{SCHEME}{bucket}/{item['Key']}", item["Size"], item["ETag"]


def _exactly(bucket: str, key: str) -> Iterator[tuple[str, str, int, str]]:
    for item in _client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", []):
        if item["Key"] == key:  # the key itself sorts before all that it is a prefix of
            yield key.rpartition("/")[2], f"{SCHEME}{bucket}/{key}", item["Size"], item["ETag"]


def _client() -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _client_for(endpoint, region, tuple(os.environ.get(name) for name in _ACCOUNT))


@cache
def _client_for(endpoint: str | None, region: str | None, _account: tuple[str | None, ...]) -> Any:
    """One client per process and account (boto3 reads the keys itself); it is safe to share between threads."""
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path" if endpoint else "auto"},  # own servers rarely have a name per bucket
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    return environment_session().client("s3", endpoint_url=endpoint, region_name=region, config=config)


def environment_session() -> Any:
    """A boto3 session that reads no `~/.aws/` unless the environment names it: a step elsewhere would not have it."""
    import boto3
    from botocore.session import Session

    session = Session()
    named = "AWS_PROFILE" in os.environ
    for setting, variable in (("config_file", "AWS_CONFIG_FILE"), ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE")):
        if not named and variable not in os.environ:
            session.set_config_variable(setting, os.devnull)
    return boto3.Session(botocore_session=session)
