"""This machine or a cluster? The one place that decides, for a step and for a command."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from forebay.errors import ConfigError
from forebay.settings import AUTO
from forebay.settings.deploy import KSERVE

if TYPE_CHECKING:
    from forebay.backend.protocol import Backend
    from forebay.state import StepLog


def step_backend(log: "StepLog", target: str = AUTO) -> "Backend":
    """The backend of the step that this process runs.

    Args:
        log: the step's log. A command line that runs the pipeline on this machine gives it an events file.
        target: `deploy.target`, where the step has one; `auto` is the place that the step runs in.
    """
    on_cluster = log.events is None if target == AUTO else target == KSERVE
    if on_cluster:
        from forebay.cluster.backend import ClusterBackend

        return ClusterBackend()
    from forebay.local.backend import LocalBackend

    return LocalBackend(home=log.home)


def command_backend(
    on_cluster: bool,
    *,
    local: "Callable[[], Backend]",
    cluster: "Callable[[], Backend]",
    local_options: Mapping[str, tuple[object, str]] | None = None,
    cluster_options: Mapping[str, object] | None = None,
) -> "Backend":
    """The backend that a command line asks for.

    Args:
        on_cluster: whether `--cluster` is given.
        local, cluster: make the backends; only the one that is asked for is made.
        local_options: options without meaning on a cluster, by name: the value, and why a cluster has no use for it.
        cluster_options: options without meaning on this machine, by name. Of both, a falsy value was not given.

    Raises:
        ConfigError: an option of the other backend is given.
    """
    if on_cluster:
        for name, (value, why) in (local_options or {}).items():
            if value:
                raise ConfigError(f"{name} goes without --cluster: {why}.")
        return cluster()
    given = [name for name, value in (cluster_options or {}).items() if value]
    if given:
        go = "goes" if len(given) == 1 else "go"
        raise ConfigError(f"{', '.join(given)} {go} with --cluster; without it this machine is meant.")
    return local()
