"""Everything about S3. boto3 is imported with the first request; endpoint, region and account are the environment's.

variables  names of the environment variables
uri        the one parser of `s3://BUCKET/KEY`
client     boto3 clients with their timeouts
errors     boto3's errors as OSError
access     whether the account reaches a store, for checks
objects    list a source, read ranges of its objects
folder     the objects below a prefix: list, read, write, upload, download, delete
"""

from forebay.object_store.client import (
    CHECK_TIMEOUTS,
    DEFAULT_TIMEOUTS,
    SHORT_TIMEOUTS,
    StoreTimeouts,
    new_client,
    new_mlflow_client,
    shared_client,
)
from forebay.object_store.errors import error_code
from forebay.object_store.folder import ObjectFolder
from forebay.object_store.objects import StoredObject, list_objects, object_size, read_range
from forebay.object_store.uri import S3_SCHEMES, ObjectLocation, is_s3_uri, parse_uri

__all__ = [
    "CHECK_TIMEOUTS",
    "DEFAULT_TIMEOUTS",
    "S3_SCHEMES",
    "SHORT_TIMEOUTS",
    "ObjectFolder",
    "ObjectLocation",
    "StoreTimeouts",
    "StoredObject",
    "error_code",
    "is_s3_uri",
    "list_objects",
    "new_client",
    "new_mlflow_client",
    "object_size",
    "parse_uri",
    "read_range",
    "shared_client",
]
