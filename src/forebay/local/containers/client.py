"""The container engine: reaching it, and what every container of ours has in common."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.errors import MachineError
from forebay.settings.environment import HOME_VARIABLE
from forebay.state import Home
from forebay.version import code_version

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

HOME_LABEL = "forebay.home"  # names the state folder that a container belongs to
MIN_FREE_BYTES = 1_000_000_000
CONFLICT = 409  # HTTP
CODE_LABEL = "forebay.code"  # says what code_version() gives inside an image
BUILD = "Build them in a checkout with `make images`, or pull them from your registry under these names."
NO_ENGINE = "Install one (on Debian and Ubuntu: apt-get install docker.io), start it, or run without `--runner docker`."


@contextlib.contextmanager
def connected() -> "Iterator[DockerClient]":
    """A client of the engine that `DOCKER_HOST` names, else of the local one.

    Raises:
        MachineError: none answers, or this user may not use it.
    """
    from docker.client import DockerClient
    from docker.errors import DockerException

    try:
        client = DockerClient.from_env()
        client.ping()
    except (DockerException, OSError) as error:  # the SDK lets errors of requests through, which are OSErrors
        raise MachineError(_unreachable(error)) from error
    try:
        yield client
    finally:
        client.close()


def _unreachable(error: Exception) -> str:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _caused_by(error, PermissionError):
        return (
            f"You may not use the container engine at {host}. Join its group (`sudo usermod -aG docker $USER`, then "
            "log in again), or run without `--runner docker`."
        )
    return f"No container engine answers at {host}: {error}. {NO_ENGINE}"


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error, or one that it came of, is of a kind: the SDK wraps those of the socket several times."""
    while error is not None:
        if isinstance(error, kind) or any(isinstance(each, kind) for each in error.args):
            return True
        if any(isinstance(each, BaseException) and _caused_by(each, kind) for each in error.args):
            return True
        error = error.__cause__ or error.__context__
    return False


def check(images: tuple[str, ...]) -> None:
    """Find out before a run what would stop it minutes later.

    Raises:
        MachineError: no engine, one that maps user ids, a missing image, or too little space for containers.
    """
    from docker.errors import ImageNotFound

    with connected() as client:
        missing: list[str] = []
        other: dict[str, str] = {}
        for name in images:
            try:
                code = client.images.get(name).labels.get(CODE_LABEL, "")
            except ImageNotFound:
                missing.append(name)
            else:
                other |= {} if code == code_version() else {name: code or "unknown code"}
        if missing:
            raise MachineError(f"The container engine has no image {', '.join(missing)}. {BUILD}")
        if other:
            found = ", ".join(f"{name} ({code})" for name, code in other.items())
            raise MachineError(f"Images of other code than the installed {code_version()}: {found}. {BUILD}")
        info = client.info()
    _check_users(info.get("SecurityOptions") or [])
    _check_disk(Path(info["DockerRootDir"]))


def _check_users(options: list[str]) -> None:
    """An engine that gives containers other users than the machine's cannot write the state folder as its owner."""
    for option in options:
        name = option.removeprefix("name=").split(",")[0]
        if name in ("rootless", "userns"):
            raise MachineError(
                f"The container engine runs with {name} user ids: its containers could not write your state folder as "
                "you, nor reach this machine's loopback. Point DOCKER_HOST to another engine, or run without "
                "`--runner docker`."
            )


def _check_disk(root: Path) -> None:
    try:
        free = shutil.disk_usage(root).free
    except OSError:  # the engine is on another machine, or this user may not look
        return
    if free < MIN_FREE_BYTES:
        raise MachineError(
            f"The disk of the container engine ({root}) has {free // 1_000_000} MB left, 1 GB is needed. "
            "`docker system prune` removes what no container uses."
        )


def label_of(home: Home) -> str:
    """The value of `HOME_LABEL`: short, and no path of the user's in the engine's listings."""
    return hashlib.sha256(str(home.root).encode()).hexdigest()[:16]


def common(home: Home) -> dict[str, Any]:
    """Arguments of every container: the caller's own uid, no privilege, a root that cannot be written.

    The state folder has the same path inside, so that every path which a step records holds outside as well. The
    machine's own network lets steps and server reach what listens on loopback, and the server bind to loopback.
    """
    return {
        "user": f"{os.getuid()}:0",
        "group_add": [str(group) for group in os.getgroups()],  # a dataset may belong to one of them
        "network_mode": "host",
        "read_only": True,
        "tmpfs": {"/tmp": ""},  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", "label=disable"],  # SELinux: the data keeps the labels that it has
        "labels": {HOME_LABEL: label_of(home)},
        "volumes": {str(home.root): {"bind": str(home.root), "mode": "rw"}},
        "environment": {HOME_VARIABLE: str(home.root)},
    }


def remove(container: "Container") -> None:
    """Remove a container, running or not; one that somebody else is removing is waited for."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        with contextlib.suppress(NotFound):
            container.wait(condition="removed")
