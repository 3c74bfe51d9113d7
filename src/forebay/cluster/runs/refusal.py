"""What Kubeflow Pipelines does not do, in words that say what to do about it."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

from forebay.cluster.runs.login import Login
from forebay.errors import ClusterError, ConfigError
from forebay.kube.api_errors import lasts, retry_after
from forebay.kube.retries import Refused
from forebay.settings.environment import KFP_TOKEN_FILE_VARIABLE, KFP_TOKEN_VARIABLE


class BackendError(Refused, ClusterError):
    """Kubeflow Pipelines refused, or something else answers."""

    def __init__(
        self, text: str, status: int = 0, said: str = "", retry_after_s: float = 0.0, *, is_lasting: bool = False
    ) -> None:
        super().__init__(text)
        self.status = status
        self.said = said
        self.retry_after_s = retry_after_s
        self.is_lasting = is_lasting


class SilentError(Refused, ConfigError):
    """Nothing answers at the address."""

    def __init__(self, text: str, *, is_lasting: bool) -> None:
        super().__init__(text)
        self.is_lasting = is_lasting


@contextlib.contextmanager
def in_words(host: str, doing: str, login: Login) -> Iterator[None]:
    """Refusals, silence and answers of something else, as errors of ours.

    Raises:
        BackendError, SilentError: instead of what the client raised.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError, MaxRetryError

    try:
        yield
    except ApiException as error:
        status, said = int(error.status or 0), _said(error)
        text = f"{host} answers {status} to: {doing}. {_fix(status, said, login)}"
        raise BackendError(text, status, said, retry_after(error)) from error
    except (HTTPError, OSError) as error:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        if isinstance(cause, ssl.SSLError) or "CERTIFICATE" in str(cause):
            fix = "Its certificate is not trusted here: give the authority's with --ca FILE (FOREBAY_KFP_CA)."
        else:
            whose = "its address (--host, FOREBAY_KFP_HOST)" if login.host else "the kubeconfig's cluster"
            fix = f"Is that {whose}, and is it up? `kubectl -n kubeflow get pods` shows."
        raise SilentError(f"{host} does not answer ({short(cause)}). {fix}", is_lasting=lasts(error)) from error
    except (ValueError, TypeError, AttributeError) as error:  # a page of HTML where JSON should be
        raise BackendError(
            f"{host} answers, but not as Kubeflow Pipelines does: it could not be used to {doing}. Either another "
            f"program is there, or a login stands in front of it. {_log_in(login)}",
            is_lasting=True,
        ) from error


def short(text: Any) -> str:
    """On one line, without a full stop, and not too long."""
    words = " ".join(str(text).split()).rstrip(".")
    return words if len(words) < 300 else f"{words[:300]}…"


def _fix(status: int, said: str, login: Login) -> str:
    words = f"It says: {said}. " if said else ""
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


def _log_in(login: Login) -> str:
    """How to renew the login that is really sent."""
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


def _said(error: Any) -> str:
    """The server's own words, without the chain of its internal errors."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        answer = json.loads(body)
    except ValueError:
        return short(error.reason or "")
    message = answer.get("message") or answer.get("error") or "" if isinstance(answer, dict) else ""
    return short(message)
