"""The objects below a prefix, as files of a folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.object_store.client import DEFAULT_TIMEOUTS, StoreTimeouts, shared_client
from forebay.object_store.errors import raise_os_errors
from forebay.object_store.objects import StoredObject, iterate_objects
from forebay.object_store.uri import SCHEME, parse_uri

DELETE_THREADS = 16  # a request waits for the network, not for a core


@dataclass(frozen=True)
class ObjectFolder:
    """The objects below a prefix of a bucket. Every method raises OSError where S3 refuses or does not answer."""

    bucket: str
    prefix: str  # empty, or ends with a slash
    timeouts: StoreTimeouts = DEFAULT_TIMEOUTS

    @classmethod
    def parse(cls, uri: str, setting: str, timeouts: StoreTimeouts = DEFAULT_TIMEOUTS) -> "ObjectFolder":
        """The folder that a URI names.

        Args:
            uri: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
            setting: the setting or variable that holds the URI, for the message.
            timeouts: limits of the client.

        Raises:
            ConfigError: the text is no such URI.
        """
        bucket, key = parse_uri(uri, setting)
        prefix = key.strip("/")
        return cls(bucket, f"{prefix}/" if prefix else "", timeouts)

    def subfolder(self, name: str) -> "ObjectFolder":
        """The folder of that name in this one."""
        return ObjectFolder(self.bucket, f"{self.prefix}{name}/", self.timeouts)

    @property
    def parent(self) -> "ObjectFolder":
        """The folder that holds this one."""
        above = self.prefix.rstrip("/").rpartition("/")[0]
        return ObjectFolder(self.bucket, f"{above}/" if above else "", self.timeouts)

    @property
    def uri(self) -> str:
        """The address, without a slash at its end."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def objects(self) -> list[StoredObject]:
        """Every object in the folder and in its sub-folders."""
        with raise_os_errors(self.uri):
            return list(iterate_objects(self._client, self.bucket, self.prefix))

    def names(self) -> list[str]:
        """The paths of all objects in the folder."""
        return [found.path for found in self.objects()]

    def read(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: it does not exist.
        """
        with raise_os_errors(f"{self.uri}/{name}"):
            body: bytes = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
            return body

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write an object; S3 shows it whole or not at all."""
        with raise_os_errors(f"{self.uri}/{name}"):
            self._client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=bytes(data))

    def upload(self, path: Path, name: str) -> None:
        """Write an object from a file of any size; S3 shows it whole or not at all."""
        with raise_os_errors(f"{self.uri}/{name}"):
            self._client.upload_file(str(path), self.bucket, self.prefix + name)

    def download(self, name: str, path: Path) -> None:
        """Write an object's bytes into a file.

        Raises:
            FileNotFoundError: the object does not exist.
        """
        with raise_os_errors(f"{self.uri}/{name}"):
            self._client.download_file(self.bucket, self.prefix + name, str(path))

    def delete(self, name: str) -> None:
        """Remove an object; it may be gone already."""
        with raise_os_errors(f"{self.uri}/{name}"):
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove objects, in no order."""
        from concurrent.futures import ThreadPoolExecutor  # costs every command some milliseconds at the top

        with ThreadPoolExecutor(DELETE_THREADS) as pool:
            list(pool.map(self.delete, names))

    @property
    def _client(self) -> Any:
        return shared_client(self.timeouts)
