"""boto3's errors as OSError, as any other reader and writer of files raises them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MISSING_CODES = ("NoSuchKey", "404")


def error_code(error: Any) -> str:
    """The code that S3 gave a ClientError, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextmanager
def raise_os_errors(uri: str, *, missing: type[OSError] = FileNotFoundError) -> Iterator[None]:
    """Turn an error of boto3 into an OSError that names the object.

    Args:
        uri: the object.
        missing: the error for an object that does not exist.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        kind = missing if error_code(error) in MISSING_CODES else OSError
        raise kind(f"{uri}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(f"{uri}: {error}") from error
