"""Errors of requests to an API server: each says what the server answered and what to do about it."""

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING

from forebay.kube.retries import RequestFailedError

if TYPE_CHECKING:
    from kubernetes.client import ApiException

_URLLIB3_PREFIX = re.compile(r"^(<[^>]*>|\w+\(.*?\)): ")  # urllib3 begins messages with the repr of an object
UNTRUSTED_PEER = re.compile(r"(?i)certificate.verify.failed|alert (unknown ca|\w* ?certificate)|wrong.version.number")
ADVICE = {
    401: "The token is not valid or has expired: log in again, or give the pod its service account back.",
    403: "Ask for that right; the chart grants it to the pipelines' service account in the models' namespace.",
    404: "Does this cluster have what `forebay up` installs, and is this the namespace?",
}
MISSING_ROLES_ADVICE = (
    "Either the API server was started a moment ago and has not read its roles yet, or somebody deleted them: "
    "`kubectl get clusterroles,roles --all-namespaces` shows which there are."
)
WRONG_OBJECT_ADVICE = "The object breaks a rule of the cluster; an older or newer KServe may have other fields."
RETRY_ADVICE = "Try again; the cluster's administrator sees more in the API server's log."


class ApiError(RequestFailedError):
    """The API server refused a request, or did not answer it."""

    @property
    def is_about_rights(self) -> bool:
        """Whether somebody lacks a right; quota, Pod Security and absent accounts are refused with 403 as well."""
        return self.status == 403 and " cannot " in self.server_message


def refused_error(host: str, verb: str, path: str, error: "ApiException") -> ApiError:
    """The error for a request that the server refused."""
    message, status = _message(error), int(error.status or 0)
    is_permanent = _is_untrusted_peer(str(error.reason))
    found = ApiError("", status, message, retry_after_s(error), is_permanent=is_permanent)
    if found.lacks_roles:
        advice = MISSING_ROLES_ADVICE
    else:
        advice = WRONG_OBJECT_ADVICE if status in (400, 422) else ADVICE.get(status, RETRY_ADVICE)
    found.args = (f"{host} answers {status} to {verb} {path}: {message}. {advice}",)
    return found


def no_answer_error(host: str, error: Exception) -> ApiError:
    """The error for a request without an answer, or with one that was cut off."""
    problem = _URLLIB3_PREFIX.sub("", str(error)).rstrip(".")
    text = f"{host} does not answer: {problem}. Is the cluster up, and is this its address?"
    return ApiError(text, is_permanent=is_permanent_failure(error))


def not_an_api_server(host: str) -> ApiError:
    """The error for an answer that no API server gives."""
    text = (
        f"{host} answers, and not as a Kubernetes API server does. Is this the address in the kubeconfig that your "
        "cluster gave you?"
    )
    return ApiError(text, is_permanent=True)


def is_permanent_failure(error: BaseException) -> bool:
    """Whether a retry cannot help: the name or address does not exist, or the certificate is not trusted."""
    from urllib3.exceptions import LocationValueError

    return any(
        isinstance(each, LocationValueError)
        or (isinstance(each, socket.gaierror) and each.errno != socket.EAI_AGAIN)
        or _is_untrusted_peer(str(each))
        for each in _causes(error)
    )


def retry_after_s(error: "ApiException") -> float:
    """How many seconds the server asks clients to wait; 0 where it says nothing."""
    with contextlib.suppress(TypeError, ValueError, AttributeError):  # a date is ignored, because clocks differ
        return max(0.0, float((error.headers or {}).get("Retry-After") or 0.0))
    return 0.0


def _causes(error: BaseException) -> list[BaseException]:
    """The error, and every error that it was raised from."""
    found: list[BaseException] = []
    rest: BaseException | None = error
    while isinstance(rest, BaseException) and rest not in found:
        found.append(rest)
        reason = getattr(rest, "reason", None)
        rest = reason if isinstance(reason, BaseException) else rest.__cause__ or rest.__context__
    return found


def _is_untrusted_peer(text: str) -> bool:
    return bool(UNTRUSTED_PEER.search(text))


def _message(error: "ApiException") -> str:
    try:
        status = json.loads(error.body or "")
    except (ValueError, TypeError):
        return str(error.reason or "nothing").rstrip(".")
    return str(status.get("message") if isinstance(status, dict) else status).rstrip(".")
