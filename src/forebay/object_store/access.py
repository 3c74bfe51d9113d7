"""Whether the account of the environment reaches a store; the errors tell what to look at."""

from collections.abc import Callable
from typing import Any, TypeVar

from forebay.errors import ForebayError
from forebay.object_store.client import StoreTimeouts, new_client
from forebay.object_store.errors import error_code
from forebay.object_store.uri import ObjectLocation

Result = TypeVar("Result")
MakeClient = Callable[[StoreTimeouts], Any]


class StoreAccessError(ForebayError):
    """The store does not answer, or not as S3 does."""


class MissingCredentialsError(StoreAccessError):
    """The environment gives no credentials, or only a part of them."""


class CredentialRenewalError(StoreAccessError):
    """A token or identity that the environment names gives no credentials."""


class StoreRefusedError(StoreAccessError):
    """The store at `endpoint` refuses the request; `code` is S3's, such as AccessDenied."""

    def __init__(self, text: str, code: str, endpoint: str) -> None:
        super().__init__(text)
        self.code = code
        self.endpoint = endpoint


def count_buckets(timeouts: StoreTimeouts) -> tuple[str, int]:
    """The endpoint of the store, and the number of buckets that the account sees.

    Raises:
        StoreAccessError: one of its kinds.
    """
    return _ask(new_client, timeouts, lambda client: len(client.list_buckets()["Buckets"]))


def check_listing(location: ObjectLocation, timeouts: StoreTimeouts, make_client: MakeClient = new_client) -> str:
    """Find out whether the account may list what lies at a location.

    Args:
        location: a bucket, or a prefix in it.
        timeouts: limits of the one request.
        make_client: `new_mlflow_client` to ask as MLflow does.

    Returns:
        The endpoint of the store.

    Raises:
        StoreAccessError: one of its kinds.
    """
    prefix = f"{location.key}/" if location.key else ""
    listing = {"Bucket": location.bucket, "Prefix": prefix, "MaxKeys": 1}
    return _ask(make_client, timeouts, lambda client: client.list_objects_v2(**listing))[0]


def _ask(make_client: MakeClient, timeouts: StoreTimeouts, ask: Callable[[Any], Result]) -> tuple[str, Result]:
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
    )

    endpoint = ""
    try:
        client = make_client(timeouts)
        endpoint = str(client.meta.endpoint_url)
        return endpoint, ask(client)
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise MissingCredentialsError(str(error)) from error
    except (CredentialRetrievalError, TokenRetrievalError) as error:
        raise CredentialRenewalError(str(error)) from error
    except ClientError as error:
        raise StoreRefusedError(str(error), error_code(error), endpoint) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is no URL
        raise StoreAccessError(str(error)) from error
