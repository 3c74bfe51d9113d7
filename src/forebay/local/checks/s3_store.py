"""The check of S3, for `s3://` sources. It prints no credential."""

import os

from forebay.backend.check import CheckResult, failed, passed
from forebay.object_store import CHECK_TIMEOUTS
from forebay.object_store.access import MissingCredentialsError, StoreAccessError, StoreRefusedError, count_buckets
from forebay.object_store.variables import CREDENTIAL_VARIABLES, ENDPOINT_VARIABLES, IDENTITY_VARIABLES


def s3_store() -> CheckResult:
    """The S3 server that the environment names answers and accepts the credentials; without one, the check passes."""
    named = [name for name in (*ENDPOINT_VARIABLES, *CREDENTIAL_VARIABLES, *IDENTITY_VARIABLES) if os.environ.get(name)]
    if not named:
        return passed(
            "s3", f"not set up; s3:// data needs {' and '.join(CREDENTIAL_VARIABLES)}, and AWS_ENDPOINT_URL off AWS"
        )
    missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
    set_names = f"Set {' and '.join(missing or CREDENTIAL_VARIABLES)}."
    try:
        endpoint, buckets = count_buckets(CHECK_TIMEOUTS)
    except MissingCredentialsError:
        return failed("s3", f"{' and '.join(named)} set, but the credentials are incomplete", set_names)
    except StoreRefusedError as error:
        return _refused(error.endpoint, error.code)
    except StoreAccessError as error:
        return failed("s3", f"no answer: {error}", "Correct AWS_ENDPOINT_URL (http://host:port), or start that server.")
    return passed("s3", f"{endpoint} answers, {buckets} buckets visible")


def _refused(endpoint: str, code: str) -> CheckResult:
    if code == "AccessDenied":  # reading one bucket does not need the right to list all
        return passed("s3", f"{endpoint} answers; these credentials may not list buckets")
    return failed(
        "s3",
        f"{endpoint} refused the credentials ({code})",
        "Correct "
        f"{' and '.join(CREDENTIAL_VARIABLES)} (and AWS_SESSION_TOKEN, where they are temporary), or the clock.",
    )
