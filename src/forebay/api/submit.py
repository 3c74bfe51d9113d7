"""`forebay.submit`: the whole pipeline on a Kubeflow Pipelines cluster."""

import os
from collections.abc import Mapping
from pathlib import Path

from forebay.api.cluster_run import PipelinesAddress, SubmittedRun, connect, follow_shown, start_or_find
from forebay.api.curves import event_curves
from forebay.api.explain import explained
from forebay.api.progress import ProgressView, progress_view
from forebay.api.result import RunResult
from forebay.api.run_settings import SettingValue, parse_settings
from forebay.api.state_folder import PathLike
from forebay.backend.summary import Event, Summary, summarize
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
    ca: PathLike | None = None,
    pipeline: PathLike | None = None,
    experiment: str = "forebay",
    run_name: str = "",
    follow: str = "",
    wait: bool = True,
    show: bool = True,
) -> RunResult:
    """Run the whole pipeline on a Kubeflow Pipelines cluster.

    It does what `forebay submit` does. The token is taken from `FOREBAY_KFP_TOKEN`, or from the file that
    `FOREBAY_KFP_TOKEN_FILE` names.

    Args:
        data: `s3://BUCKET/PREFIX`, or a source of your own, `FILE.py:NAME`; without it, 1 797 handwritten digits.
        model, name, seed, settings, fresh: as for `forebay.run`.
        host: address of Kubeflow Pipelines; without it, `FOREBAY_KFP_HOST`, else the kubeconfig leads there.
        namespace: of Kubeflow Pipelines, or your own where it has many users; without it, `FOREBAY_KFP_NAMESPACE`.
        context: of the kubeconfig, in place of the current one.
        ca: file with certificates (PEM) to trust; without it, `FOREBAY_KFP_CA`.
        pipeline: a file of `forebay compile`, in place of the one that came with the package.
        experiment, run_name: names in Kubeflow Pipelines; without a run name, pipeline, revision and time.
        follow: id of a run that was submitted before, to wait for its end; then no settings are given.
        wait: follow the run to its end. Else the result's state is `submitted`, and `follow` takes its `run_id`.
        show: show progress, as `forebay.run` does.

    Raises:
        ConfigError: a setting, the address or the login cannot be used.
        StepFailedError: a step failed; its message is the step's own.
        ClusterError: the cluster refused, or was lost; a run that it had accepted goes on.
        KeyboardInterrupt: Ctrl-C; the run goes on in the cluster, and the message says how to follow it.
    """
    values = parse_settings(settings, ingest_data=data, train_model=model, evaluate_name=name, train_seed=seed)
    if follow and (values or pipeline or not wait):
        raise ConfigError("follow looks at a run that is there already: give no settings, pipeline or wait=False.")
    address = PipelinesAddress(
        host=host or next(filter(None, map(os.environ.get, KFP_HOST_VARIABLES)), ""),
        namespace=namespace or os.environ.get(KFP_NAMESPACE_VARIABLE) or PIPELINES,
        context=context,
        ca=os.fspath(ca) if ca else os.environ.get(KFP_CA_VARIABLE, ""),
    )
    wanted = SubmittedRun(pipeline=Path(pipeline) if pipeline else None, experiment=experiment, run_name=run_name)
    with explained():
        backend = connect(address, wanted, ClusterTimeouts())
        view = _Recorder(progress_view(show=show))
        started = start_or_find(backend, values, follow, view.show, fresh=fresh)
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
