"""The container engine: the connection to it, and what all our containers have in common."""

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

HOME_LABEL = "forebay.home"  # on every container: the state folder that it belongs to
MIN_FREE_BYTES = 1_000_000_000
HTTP_CONFLICT = 409  # HTTP
CODE_LABEL = "forebay.code"  # on a container image: the code_version() of the code in it
BUILD_ADVICE = "Build them in a checkout with `make images`, or pull them from your registry under these names."
NO_ENGINE_ADVICE = (
    "Install one (on Debian and Ubuntu: apt-get install docker.io), start it, or run without `--runner docker`."
)


@contextlib.contextmanager
def engine_client() -> "Iterator[DockerClient]":
    """A client of the engine that `DOCKER_HOST` names, else of the local one.

    Raises:
        MachineError: no engine answers, or this user may not use it.
    """
    from docker.client import DockerClient
    from docker.errors import DockerException

    try:
        client = DockerClient.from_env()
        client.ping()
    except (DockerException, OSError) as error:  # the SDK lets errors of requests through, which are OSErrors
        raise MachineError(_connection_problem(error)) from error
    try:
        yield client
    finally:
        client.close()


def _connection_problem(error: Exception) -> str:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _caused_by(error, PermissionError):
        return (
            f"You may not use the container engine at {host}. Join its group (`sudo usermod -aG docker $USER`, then "
            "log in again), or run without `--runner docker`."
        )
    return f"No container engine answers at {host}: {error}. {NO_ENGINE_ADVICE}"


def _caused_by(error: BaseException | None, error_class: type[BaseException]) -> bool:
    """Whether an error, or one of its causes, is of a class: the SDK wraps the errors of the socket several times."""
    while error is not None:
        if isinstance(error, error_class) or any(isinstance(each, error_class) for each in error.args):
            return True
        if any(isinstance(each, BaseException) and _caused_by(each, error_class) for each in error.args):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_engine(images: tuple[str, ...]) -> None:
    """Refuse an engine before a run that would stop it minutes later.

    Raises:
        MachineError: no engine, one that maps user ids, a missing container image, or too little disk space.
    """
    from docker.errors import ImageNotFound

    with engine_client() as client:
        missing: list[str] = []
        outdated: dict[str, str] = {}
        for name in images:
            try:
                code = client.images.get(name).labels.get(CODE_LABEL, "")
            except ImageNotFound:
                missing.append(name)
            else:
                outdated |= {} if code == code_version() else {name: code or "unknown code"}
        if missing:
            raise MachineError(f"The container engine has no container image {', '.join(missing)}. {BUILD_ADVICE}")
        if outdated:
            found = ", ".join(f"{name} ({code})" for name, code in outdated.items())
            raise MachineError(
                f"Container images of other code than the installed {code_version()}: {found}. {BUILD_ADVICE}"
            )
        info = client.info()
    _check_user_ids(info.get("SecurityOptions") or [])
    _check_disk(Path(info["DockerRootDir"]))


def _check_user_ids(options: list[str]) -> None:
    """Refuse an engine that maps user ids: its containers could not write the state folder as its owner."""
    for option in options:
        name = option.removeprefix("name=").split(",")[0]
        if name in ("rootless", "userns"):
            raise MachineError(
                f"The container engine runs with {name} user ids: its containers could not write your state folder as "
                "you, nor reach this machine's loopback. Point DOCKER_HOST to another engine, or run without "
                "`--runner docker`."
            )


def _check_disk(root: Path, min_free_bytes: int = MIN_FREE_BYTES) -> None:
    try:
        free = shutil.disk_usage(root).free
    except OSError:  # the engine is on another machine, or this user may not look
        return
    if free < min_free_bytes:
        raise MachineError(
            f"The disk of the container engine ({root}) has {free // 1_000_000} MB left, 1 GB is needed. "
            "`docker system prune` removes what no container uses."
        )


def home_label_value(home: Home) -> str:
    """The value of `HOME_LABEL`: short, and it shows no path of the user's in the engine's listings."""
    return hashlib.sha256(str(home.root).encode()).hexdigest()[:16]


def container_arguments(home: Home) -> dict[str, Any]:
    """Arguments of every container: the caller's own uid, no privileges, a read-only root.

    The state folder has the same path inside, so that a path which a step records is valid outside as well. With the
    machine's own network, steps and server reach what listens on loopback, and the server can bind to it.
    """
    return {
        "user": f"{os.getuid()}:0",
        "group_add": [str(group) for group in os.getgroups()],  # a dataset may belong to one of them
        "network_mode": "host",
        "read_only": True,
        "tmpfs": {"/tmp": ""},  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", "label=disable"],  # SELinux: the data keeps the labels that it has
        "labels": {HOME_LABEL: home_label_value(home)},
        "volumes": {str(home.root): {"bind": str(home.root), "mode": "rw"}},
        "environment": {HOME_VARIABLE: str(home.root)},
    }


def remove_container(container: "Container") -> None:
    """Remove a container, running or not; wait for it where somebody else is removing it."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTP_CONFLICT:
            raise
        with contextlib.suppress(NotFound):
            container.wait(condition="removed")
