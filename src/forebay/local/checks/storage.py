"""Check of S3, for `s3://` sources. No credential is ever printed."""

import os

from forebay.backend.check import CheckResult, failed, passed
from forebay.object_store import CHECK_TIMEOUTS
from forebay.object_store.access import MissingCredentialsError, StoreAccessError, StoreRefusedError, count_buckets
from forebay.object_store.variables import CREDENTIAL_VARIABLES, ENDPOINT_VARIABLES, IDENTITY_VARIABLES


def s3() -> CheckResult:
    """The S3 server that the environment names answers and knows the credentials; passes where none is named."""
    named = [name for name in (*ENDPOINT_VARIABLES, *CREDENTIAL_VARIABLES, *IDENTITY_VARIABLES) if os.environ.get(name)]
    if not named:
        return passed(
            "s3", f"not set up; s3:// data needs {' and '.join(CREDENTIAL_VARIABLES)}, and AWS_ENDPOINT_URL off AWS"
        )
    missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
    set_names = f"Set {' and '.join(missing or CREDENTIAL_VARIABLES)}."
    try:
        where, buckets = count_buckets(CHECK_TIMEOUTS)
    except MissingCredentialsError:
        return failed("s3", f"{' and '.join(named)} set, but no whole credentials", set_names)
    except StoreRefusedError as error:
        return _answered(error.endpoint, error.code)
    except StoreAccessError as error:
        return failed("s3", f"no answer: {error}", "Correct AWS_ENDPOINT_URL (http://host:port), or start that server.")
    return passed("s3", f"{where} answers, {buckets} buckets visible")


def _answered(where: str, code: str) -> CheckResult:
    if code == "AccessDenied":  # the right to list all buckets is not needed to read one
        return passed("s3", f"{where} answers; these credentials may not list buckets")
    return failed(
        "s3",
        f"{where} refused the credentials ({code})",
        "Correct "
        f"{' and '.join(CREDENTIAL_VARIABLES)} (and AWS_SESSION_TOKEN, where they are temporary), or the clock.",
    )
