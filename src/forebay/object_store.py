"""S3 through boto3, which is imported only when an object is asked for; where it is, the environment says."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from forebay.errors import ConfigError

SCHEME = "s3://"
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
CONNECT_TIMEOUT_S = 3  # of a check, which a person waits for
READ_TIMEOUT_S = 5
_ACCOUNT = (
    "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)  # fmt: skip

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Patience:
    """How long a client waits for a store before it says that none answers."""

    connect_s: float
    read_s: float  # between two packets
    attempts: int


PATIENT = Patience(connect_s=10, read_s=60, attempts=4)
HURRIED = Patience(connect_s=3, read_s=20, attempts=2)  # for what can go on without: a store that is away costs seconds


@dataclass(frozen=True)
class ObjectFolder:
    """The objects below a prefix of a bucket. Every method raises OSError where S3 refuses or does not answer."""

    bucket: str
    prefix: str  # empty, or ends with a slash
    patience: Patience = PATIENT

    @classmethod
    def parse(cls, uri: str, what: str, patience: Patience = PATIENT) -> "ObjectFolder":
        """The folder that a URI names.

        Args:
            uri: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
            what: the setting or variable that holds it, for the message.
            patience: with the store.

        Raises:
            ConfigError: it is no such URI.
        """
        bucket, _, prefix = uri.removeprefix(SCHEME).partition("/")
        if not uri.startswith(SCHEME) or not bucket:
            raise ConfigError(f"{what} must look like s3://BUCKET/PREFIX, got {uri!r}.")
        return cls(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", patience)

    def below(self, name: str) -> "ObjectFolder":
        """A folder in it."""
        return ObjectFolder(self.bucket, f"{self.prefix}{name}/", self.patience)

    @property
    def uri(self) -> str:
        """Without a slash at the end."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def names(self) -> dict[str, int]:
        """Every object below it: size in bytes by name."""

        def ask(s3: Any) -> dict[str, int]:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            found = (item for page in pages for item in page.get("Contents", []))
            return {item["Key"].removeprefix(self.prefix): item["Size"] for item in found}

        return self._ask(self.uri, ask)

    def get(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        answer: bytes = self._ask(
            f"{self.uri}/{name}", lambda s3: s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
        )
        return answer

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Write an object; S3 shows it whole or not at all."""
        self._ask(
            f"{self.uri}/{name}",
            lambda s3: s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=bytes(data)),
        )

    def put_file(self, name: str, path: Path) -> None:
        """Write an object from a file, without taking it into memory; S3 takes up to 5 GiB."""

        def ask(s3: Any) -> None:
            with path.open("rb") as file:
                s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=file)

        self._ask(f"{self.uri}/{name}", ask)

    def get_file(self, name: str, path: Path) -> str:
        """Write an object's bytes into a file; their sha256."""

        def ask(s3: Any) -> str:
            digest = hashlib.sha256()
            body = s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
            with path.open("wb") as file:
                for chunk in body.iter_chunks(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
            return digest.hexdigest()

        return self._ask(f"{self.uri}/{name}", ask)

    def delete(self, name: str) -> None:
        """Remove an object; nothing where it is gone already."""
        self._ask(f"{self.uri}/{name}", lambda s3: s3.delete_object(Bucket=self.bucket, Key=self.prefix + name))

    def _ask(self, where: str, ask: Callable[[Any], Answer]) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask(client(self.patience))
        except ClientError as error:
            kind = FileNotFoundError if error.response["Error"]["Code"] in ("NoSuchKey", "404") else OSError
            raise kind(f"{where}: {error}") from error
        except BotoCoreError as error:
            raise OSError(f"{where}: {error}") from error


def client(patience: Patience = PATIENT) -> Any:
    """A client of boto3's for the store and the account that the environment names."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _client_for(endpoint, region, patience, tuple(os.environ.get(name) for name in _ACCOUNT))


@cache
def _client_for(endpoint: str | None, region: str | None, patience: Patience, _account: tuple[str | None, ...]) -> Any:
    """One client per process and account (boto3 reads the keys itself); it is safe to share between threads."""
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path" if endpoint else "auto"},  # own servers rarely have a name per bucket
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
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


def quick_client(*, like_mlflow: bool = False) -> Any:
    """A client that gives up within seconds; of the environment, as ingest's.

    Args:
        like_mlflow: as MLflow makes it, which reads `~/.aws/` and has a variable of its own for the address.
    """
    import boto3
    from botocore.config import Config

    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") if like_mlflow else None
    own = endpoint or any(os.environ.get(name) for name in ENDPOINT_VARIABLES)
    config = Config(
        s3={"addressing_style": "path" if own else "auto"},  # own servers rarely have a name per bucket
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
    )
    session = boto3.Session() if like_mlflow else environment_session()
    lax = like_mlflow and os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1")
    return session.client("s3", config=config, endpoint_url=endpoint or None, verify=False if lax else None)
