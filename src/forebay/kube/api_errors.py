"""What an API server does not do, in words that say what to do about it."""

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING

from forebay.kube.retries import Refused

if TYPE_CHECKING:
    from kubernetes.client import ApiException

_WHERE = re.compile(r"^(<[^>]*>|\w+\(.*?\)): ")  # what urllib3 puts before its words: an object of its own
UNTRUSTED = re.compile(r"(?i)certificate.verify.failed|alert (unknown ca|\w* ?certificate)|wrong.version.number")
FIXES = {
    401: "The token is not valid or has expired: log in again, or give the pod its service account back.",
    403: "Ask for that right; the chart grants it to the pipelines' service account in the models' namespace.",
    404: "Does this cluster have what `forebay up` installs, and is this the namespace?",
}
NO_ROLES = (
    "Either the API server was started a moment ago and has not read its roles yet, or somebody deleted them: "
    "`kubectl get clusterroles,roles --all-namespaces` shows which there are."
)
WRONG_OBJECT = "The object breaks a rule of the cluster's; an older or newer KServe may have other fields."
TRY_AGAIN = "Try again; the cluster's administrator sees more in the API server's log."


class ApiError(Refused):
    """The API server refused, or none answers."""

    def __init__(
        self, text: str, status: int = 0, said: str = "", retry_after_s: float = 0.0, *, is_lasting: bool = False
    ) -> None:
        super().__init__(text)
        self.status = status
        self.said = said or text
        self.retry_after_s = retry_after_s
        self.is_lasting = is_lasting

    @property
    def is_about_rights(self) -> bool:
        """Whether it says that somebody may not; quota, Pod Security and absent accounts are refused as 403 as well."""
        return self.status == 403 and " cannot " in self.said


def refused(host: str, verb: str, path: str, error: "ApiException") -> ApiError:
    """What the server says, and what to do about it."""
    said, status = _message(error), int(error.status or 0)
    found = ApiError("", status, said, retry_after(error), is_lasting=_is_untrusted(str(error.reason)))
    fix = NO_ROLES if found.has_no_roles else WRONG_OBJECT if status in (400, 422) else FIXES.get(status, TRY_AGAIN)
    found.args = (f"{host} answers {status} to {verb} {path}: {said}. {fix}",)
    return found


def unanswered(host: str, error: Exception) -> ApiError:
    """That nothing answered, or not to the end."""
    words = _WHERE.sub("", str(error)).rstrip(".")
    return ApiError(
        f"{host} does not answer: {words}. Is the cluster up, and is this its address?", is_lasting=lasts(error)
    )


def no_api_server(host: str) -> ApiError:
    """That something else answered."""
    return ApiError(
        f"{host} answers, and not as a Kubernetes API server does. Is this the address in the kubeconfig that your "
        "cluster gave you?",
        is_lasting=True,
    )


def lasts(error: BaseException) -> bool:
    """Whether what kept an answer from coming will last: no such name or address, an untrusted certificate."""
    from urllib3.exceptions import LocationValueError

    return any(
        isinstance(each, LocationValueError)
        or (isinstance(each, socket.gaierror) and each.errno != socket.EAI_AGAIN)
        or _is_untrusted(str(each))
        for each in _causes(error)
    )


def retry_after(error: "ApiException") -> float:
    """Seconds after which the server wants to be asked again; 0 where it says nothing of that."""
    with contextlib.suppress(TypeError, ValueError, AttributeError):  # it may be a date, and clocks differ
        return max(0.0, float((error.headers or {}).get("Retry-After") or 0.0))
    return 0.0


def _causes(error: BaseException) -> list[BaseException]:
    """It, and what it was raised from."""
    found: list[BaseException] = []
    rest: BaseException | None = error
    while isinstance(rest, BaseException) and rest not in found:
        found.append(rest)
        reason = getattr(rest, "reason", None)
        rest = reason if isinstance(reason, BaseException) else rest.__cause__ or rest.__context__
    return found


def _is_untrusted(words: str) -> bool:
    return bool(UNTRUSTED.search(words))


def _message(error: "ApiException") -> str:
    try:
        status = json.loads(error.body or "")
    except (ValueError, TypeError):
        return str(error.reason or "nothing").rstrip(".")
    return str(status.get("message") if isinstance(status, dict) else status).rstrip(".")
