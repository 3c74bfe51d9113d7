"""`forebay.submit`: the whole pipeline on a Kubeflow Pipelines cluster."""

import os
from collections.abc import Mapping

from forebay.api.cluster_run import connect, follow_shown, start_or_find
from forebay.api.curves import event_curves
from forebay.api.explain import explained
from forebay.api.pipelines_address import PipelinesAddress, SubmittedRun
from forebay.api.progress import ProgressView, progress_view
from forebay.api.result import RunResult
from forebay.api.run_settings import SettingValue, parse_settings
from forebay.api.state_folder import PathLike
from forebay.backend.protocol import RunRequest
from forebay.backend.summary import Event, Summary, summarize
from forebay.cluster.backend import ClusterBackend
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ConfigError
from forebay.settings.environment import KFP_CA_VARIABLE, KFP_HOST_VARIABLES, KFP_NAMESPACE_VARIABLE
from forebay.settings.namespaces import PIPELINES


def submit(
    data: str | None = None,
    *,
    model: PathLike | None = None,
    name: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, SettingValue] | None = None,
    fresh: bool = False,
    host: str | None = None,
    namespace: str | None = None,
    context: str = "",
    experiment: str = "forebay",
    run_name: str = "",
    follow: str = "",
    wait: bool = True,
    show: bool = True,
) -> RunResult:
    """Run the whole pipeline on a Kubeflow Pipelines cluster; it does what `forebay submit` does.

    The environment has token (`FOREBAY_KFP_TOKEN`) and certificates (`FOREBAY_KFP_CA`), as for the command.

    Args:
        data, model, name, seed, settings, fresh, show: as for `forebay.run`; data is one that a cluster can read.
        host, namespace, context: of Kubeflow Pipelines; without them, `FOREBAY_KFP_HOST` and `FOREBAY_KFP_NAMESPACE`,
            and without a host the kubeconfig, of which `context` takes another context.
        experiment, run_name: names in Kubeflow Pipelines; without a run name, pipeline, revision and time.
        follow: id of a run that was submitted before, to wait for its end; then no settings are given.
        wait: follow the run to its end. Else the result's state is `submitted`, and `follow` takes its `run_id`.

    Raises:
        ConfigError: a setting, the address or the login cannot be used.
        StepFailedError: a step failed; its message is the step's own.
        ClusterError: the cluster refused, or was lost; a run that it had accepted goes on.
        KeyboardInterrupt: Ctrl-C; the run goes on in the cluster, and the message says how to follow it.
    """
    values = parse_settings(settings, ingest_data=data, train_model=model, evaluate_name=name, train_seed=seed)
    if follow and (values or not wait):
        raise ConfigError("follow looks at a run that is there already: give no settings or wait=False.")
    backend = _connect(host, namespace, context, SubmittedRun(pipeline=None, experiment=experiment, run_name=run_name))
    with explained():
        return _submit(backend, RunRequest(settings=values, fresh=fresh), follow, progress_view(show=show), wait=wait)


def _connect(host: str | None, namespace: str | None, context: str, wanted: SubmittedRun) -> ClusterBackend:
    address = PipelinesAddress(
        host=host or next(filter(None, map(os.environ.get, KFP_HOST_VARIABLES)), ""),
        namespace=namespace or os.environ.get(KFP_NAMESPACE_VARIABLE) or PIPELINES,
        context=context,
        ca=os.environ.get(KFP_CA_VARIABLE, ""),
    )
    return connect(address, wanted, ClusterTimeouts())


def _submit(backend: ClusterBackend, request: RunRequest, run_id: str, shown: ProgressView, *, wait: bool) -> RunResult:
    view = _Recorder(shown)
    started = start_or_find(backend, request, run_id, view.show)
    again = f"forebay.submit(follow={started.run_id!r})"
    if not wait:
        return RunResult(_submitted(started.run_id, started.warnings), run_url=started.url)
    try:
        summary = follow_shown(backend, started, view, again)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"Run {started.run_id} goes on in the cluster. {again} follows it.") from error
    return RunResult(summary, event_curves(view.events), started.url)


def _submitted(run_id: str, warnings: list[str]) -> Summary:
    """The summary of a run of which nothing is known yet."""
    return summarize(run_id, []) | {"state": "submitted", "seconds": None, "warnings": warnings}


class _Recorder:
    """Keeps the events that another view shows: those of a run on a cluster are in no file here."""

    def __init__(self, view: ProgressView) -> None:
        self._view = view
        self.events: list[Event] = []

    def __enter__(self) -> "_Recorder":
        self._view.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._view.__exit__(*error)

    def show(self, event: Event) -> None:
        """Keep the event, and show it."""
        self.events.append(event)
        self._view.show(event)
