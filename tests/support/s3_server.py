"""A real S3 server for tests: rclone over a folder, on loopback."""

import contextlib
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class S3Store:
    """A running server and what a client's environment must hold."""

    environment: dict[str, str]

    @property
    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def upload(self, path: Path, bucket: str, prefix: str) -> str:
        """Upload a file, or every file below a folder, and return its URI."""
        client = self.client
        if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                key = prefix if file == path else f"{prefix}/{file.relative_to(path).as_posix()}"
                client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
        return f"s3://{bucket}/{prefix}"


@contextlib.contextmanager
def running(root: Path) -> Iterator[S3Store]:
    """Serve a folder; its sub-folders are the buckets."""
    from rclone_api import BINARY_PATH

    key, secret = "forebay-tests", secrets.token_hex(16)
    environment = {**os.environ, "RCLONE_AUTH_KEY": f'"{key},{secret}"', "RCLONE_CONFIG": os.devnull}
    command = [str(BINARY_PATH), "serve", "s3", "--addr", "127.0.0.1:0", str(root)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield S3Store(
                {
                    "AWS_ENDPOINT_URL": _endpoint(process),
                    "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": key,
                    "AWS_SECRET_ACCESS_KEY": secret,
                    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
                    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
                }
            )
        finally:
            process.terminate()


def _endpoint(process: "subprocess.Popen[str]") -> str:
    """The address that the server says it listens on."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise RuntimeError(f"the S3 server did not start: {''.join(said)}")
