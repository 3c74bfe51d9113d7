"""Checks of the API server: it answers, it knows this person, it is new enough, and its clock agrees with ours."""

from collections.abc import Iterator
from datetime import UTC, datetime

from forebay.backend.check import CheckResult, failed, failed_with, passed
from forebay.cluster.checks import clock
from forebay.cluster.checks.inspected_cluster import InspectedCluster
from forebay.kube.client import ApiError

ANONYMOUS = "system:anonymous"


def api_server_checks(cluster: InspectedCluster, minimum: str) -> Iterator[CheckResult]:
    """The checks of its first answers; where one of `api` and `login` fails, no other check can be made.

    Args:
        cluster: the cluster.
        minimum: the oldest Kubernetes that the platform works with, such as 1.30.
    """
    try:
        info = cluster.api.server_info()
    except ApiError as error:
        yield failed_with("api", error)
        return
    now = datetime.now(UTC)
    yield passed("api", f"{cluster.api.host} answers")
    yield _version(info.version, info.release, minimum)
    yield clock.compare_clocks("clock", "this machine", now, info.now)
    yield _login(cluster)


def _login(cluster: InspectedCluster) -> CheckResult:
    """Whether the kubeconfig has a login at all: the version is told to everybody."""
    try:
        name = cluster.api.user_name()
    except ApiError as error:
        if error.status != 403 or ANONYMOUS not in error.server_message:
            return failed_with("login", error)
        name = ANONYMOUS
    if name != ANONYMOUS:
        return passed("login", f"the API server knows you as {name}")
    return failed(
        "login",
        f"the API server does not know you: to it you are {ANONYMOUS}",
        "The kubeconfig has no login. Log in again, and see that the program which its `exec` names exists.",
    )


def _version(found: tuple[int, int], release: str, minimum: str) -> CheckResult:
    major, minor = minimum.split(".")[:2]
    if found >= (int(major), int(minor)):
        return passed("kubernetes", f"{release}, {minimum} or newer is needed")
    return failed(
        "kubernetes",
        f"{release} is too old, {minimum} or newer is needed",
        "Update it, or use another cluster (`forebay up --cluster kind` makes one).",
    )
