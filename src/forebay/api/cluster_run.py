"""A run on Kubeflow Pipelines: how it is submitted, found and followed."""

from forebay.api.pipelines_address import PipelinesAddress, SubmittedRun
from forebay.api.progress import ProgressView
from forebay.backend.protocol import RunRequest, ShowEvent
from forebay.backend.summary import StepFailedError, Summary
from forebay.cluster.backend import ClusterBackend
from forebay.cluster.runs.login import login
from forebay.cluster.runs.run import StartedRun
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ClusterError, ConfigError


def connect(address: PipelinesAddress, submitted: SubmittedRun, timeouts: ClusterTimeouts) -> ClusterBackend:
    """The backend of a cluster; nothing is asked yet.

    Raises:
        ConfigError: the address, a file or the login cannot be used.
    """
    return ClusterBackend(
        login=login(address.host, address.namespace, address.context, address.ca),
        compiled=submitted.pipeline,
        experiment=submitted.experiment,
        run_name=submitted.run_name,
        timeouts=timeouts,
    )


def start_or_find(backend: ClusterBackend, request: RunRequest, run_id: str, show: ShowEvent) -> StartedRun:
    """Submit a run, or, where an id is given, find that one; raises as `ClusterBackend.start`."""
    if run_id:
        backend.pipelines.run(run_id)
        return StartedRun(run_id=run_id, url=backend.pipelines.run_url(run_id), version="")
    return backend.start(request, show)


def follow_shown(backend: ClusterBackend, started: StartedRun, view: ProgressView, again: str) -> Summary:
    """Show a run up to its end.

    Args:
        backend: the cluster.
        started: the run.
        view: shows its events.
        again: what looks at the run again, for messages.

    Returns:
        Its summary, with `run_url`.

    Raises:
        StepFailedError: a step failed; its summary has `run_url` too.
        ClusterError: somebody ended the run, or the cluster was lost; the run is not touched by that.
    """
    try:
        with view:
            return backend.follow(started.run_id, view.show, started.warnings) | {"run_url": started.url}
    except StepFailedError as error:
        error.summary["run_url"] = started.url
        raise
    except (ClusterError, ConfigError) as error:
        raise ClusterError(f"{error} The run is not touched by that: {again} looks at it again.") from error
