"""Checks of the API server: it answers, it knows this person, it is new enough, and its clock agrees with ours."""

from collections.abc import Iterator
from datetime import UTC, datetime

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.cluster.checks import clock
from forebay.cluster.checks.place import Place
from forebay.kube.client import ApiError

ANONYMOUS = "system:anonymous"


def server(place: Place, minimum: str) -> Iterator[CheckResult]:
    """What can be known from the first answers; where one of `api` and `login` fails, no other check can be made.

    Args:
        place: the cluster.
        minimum: the oldest Kubernetes that this works with, such as 1.30.
    """
    try:
        found = place.api.server_info()
    except ApiError as error:
        yield failed_with("api", error)
        return
    now = datetime.now(UTC)
    yield passed("api", f"{place.api.host} answers")
    yield _version(found.version, found.release, minimum)
    yield clock.agreement("clock", "this machine", now, found.now)
    yield _login(place)


def _login(place: Place) -> CheckResult:
    """The version is told to everybody, so only this tells whether the kubeconfig brought a login at all."""
    try:
        name = place.api.user_name()
    except ApiError as error:
        if error.status != 403 or ANONYMOUS not in error.server_message:
            return failed_with("login", error)
        name = ANONYMOUS
    if name != ANONYMOUS:
        return passed("login", f"the API server knows you as {name}")
    return failed(
        "login",
        f"the API server does not know you: to it you are {ANONYMOUS}",
        "The kubeconfig brought no login. Log in again, and see that the program which its `exec` names is there.",
    )


def _version(found: tuple[int, int], release: str, minimum: str) -> CheckResult:
    major, minor = minimum.split(".")[:2]
    if found >= (int(major), int(minor)):
        return passed("kubernetes", f"{release}, {minimum} or newer is needed")
    return failed(
        "kubernetes",
        f"{release} is too old, {minimum} or newer is needed",
        "Update it, or take another cluster (`forebay up --cluster kind` makes one).",
    )
