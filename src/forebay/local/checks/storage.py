"""Check of S3, for `s3://` sources. No credential is ever printed."""

import os
from typing import Any

from forebay.backend.check import Check, failed, passed

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
PROFILE_VARIABLES = (
    "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)  # fmt: skip
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 5


def s3() -> Check:
    """The S3 server that the environment names answers and knows the credentials; passes where none is named."""
    named = [name for name in (*ENDPOINT_VARIABLES, *CREDENTIAL_VARIABLES, *PROFILE_VARIABLES) if os.environ.get(name)]
    if not named:
        return passed(
            "s3", f"not set up; s3:// data needs {' and '.join(CREDENTIAL_VARIABLES)}, and AWS_ENDPOINT_URL off AWS"
        )
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
    set_names = f"Set {' and '.join(missing or CREDENTIAL_VARIABLES)}."
    try:
        client = quick_client()
        where = client.meta.endpoint_url
        buckets = len(client.list_buckets()["Buckets"])
    except (NoCredentialsError, PartialCredentialsError):
        return failed("s3", f"{' and '.join(named)} set, but no whole credentials", set_names)
    except ClientError as error:
        return _answered(where, error.response.get("Error", {}).get("Code", "unknown"))
    except (BotoCoreError, ValueError) as error:
        return failed("s3", f"no answer: {error}", "Correct AWS_ENDPOINT_URL (http://host:port), or start that server.")
    return passed("s3", f"{where} answers, {buckets} buckets visible")


def quick_client(*, like_mlflow: bool = False) -> Any:
    """A client that gives up within seconds; of the environment, as ingest's.

    Args:
        like_mlflow: as MLflow makes it, which reads `~/.aws/` and has a variable of its own for the address.
    """
    import boto3
    from botocore.config import Config

    from forebay.object_store import environment_session

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


def _answered(where: str, code: str) -> Check:
    if code == "AccessDenied":  # the right to list all buckets is not needed to read one
        return passed("s3", f"{where} answers; these credentials may not list buckets")
    return failed(
        "s3",
        f"{where} refused the credentials ({code})",
        "Correct "
        f"{' and '.join(CREDENTIAL_VARIABLES)} (and AWS_SESSION_TOKEN, where they are temporary), or the clock.",
    )
