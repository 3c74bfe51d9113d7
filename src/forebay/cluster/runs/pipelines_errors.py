"""Errors of requests to Kubeflow Pipelines: each says what it answered and what to do about it."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

from forebay.cluster.runs.login import PipelinesLogin
from forebay.errors import ClusterError, ConfigError
from forebay.kube.api_errors import is_permanent_failure, retry_after_s
from forebay.kube.retries import RequestFailedError
from forebay.settings.environment import KFP_TOKEN_FILE_VARIABLE, KFP_TOKEN_VARIABLE


class PipelinesError(RequestFailedError, ClusterError):
    """Kubeflow Pipelines refused a request, or something else answers at its address."""


class PipelinesUnreachableError(RequestFailedError, ConfigError):
    """Nothing answers at the address."""


@contextlib.contextmanager
def explain_errors(host: str, doing: str, login: PipelinesLogin) -> Iterator[None]:
    """Turn the client's errors in the block into errors that say what to do.

    Raises:
        PipelinesError, PipelinesUnreachableError: the client raised an error.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError, MaxRetryError

    try:
        yield
    except ApiException as error:
        status, message = int(error.status or 0), _server_message(error)
        text = f"{host} answers {status} to: {doing}. {_fix(status, message, login)}"
        raise PipelinesError(text, status, message, retry_after_s(error)) from error
    except (HTTPError, OSError) as error:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        if isinstance(cause, ssl.SSLError) or "CERTIFICATE" in str(cause):
            fix = "Its certificate is not trusted here: give the authority's with --ca FILE (FOREBAY_KFP_CA)."
        else:
            whose = "its address (--host, FOREBAY_KFP_HOST)" if login.host else "the kubeconfig's cluster"
            fix = f"Is that {whose}, and is it up? `kubectl -n kubeflow get pods` shows."
        raise PipelinesUnreachableError(
            f"{host} does not answer ({short(cause)}). {fix}", is_permanent=is_permanent_failure(error)
        ) from error
    except (ValueError, TypeError, AttributeError) as error:  # a page of HTML where JSON should be
        raise PipelinesError(
            f"{host} answers, but not as Kubeflow Pipelines does: it could not be used to {doing}. Either another "
            f"program is there, or a login stands in front of it. {_log_in(login)}",
            is_permanent=True,
        ) from error


def short(text: Any) -> str:
    """The text on one line, without a full stop, and cut where it is long."""
    line = " ".join(str(text).split()).rstrip(".")
    return line if len(line) < 300 else f"{line[:300]}…"


def _fix(status: int, message: str, login: PipelinesLogin) -> str:
    words = f"It says: {message}. " if message else ""
    if status == 401:
        return f"{words}{_log_in(login)}"
    if status == 403:
        return f"{words}This account may not do that in this namespace: ask for the right, or give another --namespace."
    if status == 404:
        return f"{words}Is that the right address and --namespace? `forebay up` installs Kubeflow Pipelines."
    if status == 429:
        return f"{words}It has too much to do: try again in a minute."
    if status in (502, 503, 504):
        return f"{words}It is not up, or not in this --namespace: `kubectl -n kubeflow get pods` shows what it lacks."
    return f"{words}The log of deployment/ml-pipeline in the cluster says more."


def _log_in(login: PipelinesLogin) -> str:
    """How to renew the login that was sent."""
    if not login.host:
        context = f"the context {login.context}" if login.context else "its current context"
        return (
            f"The login of the kubeconfig ({context}) is absent, wrong or has expired: log in to the cluster again, as "
            "its provider says. `kubectl auth whoami` shows whether it is known."
        )
    if login.token_file:
        where = f"{login.token_file}, which {KFP_TOKEN_FILE_VARIABLE} names"
        return f"The token is wrong or has expired: renew the file {where}."
    if login.token:
        return f"The token is wrong or has expired: renew {KFP_TOKEN_VARIABLE} (`kubectl create token` makes one)."
    return (
        f"The token is absent: give one in {KFP_TOKEN_VARIABLE}, or in a file that {KFP_TOKEN_FILE_VARIABLE} names "
        "(`kubectl create token` makes one)."
    )


def _server_message(error: Any) -> str:
    """The server's own message, without the chain of its internal errors."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        answer = json.loads(body)
    except ValueError:
        return short(error.reason or "")
    message = answer.get("message") or answer.get("error") or "" if isinstance(answer, dict) else ""
    return short(message)
