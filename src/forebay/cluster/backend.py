"""A Kubernetes cluster as a backend: Kubeflow Pipelines runs the compiled pipeline, and KServe serves the models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.backend.check import CheckResult
from forebay.backend.protocol import BackendStatus, RolledBack, RunRequest, ShowEvent
from forebay.backend.summary import Summary
from forebay.cluster.executors import SparkApplicationExecutor, TrainJobExecutor
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ConfigError, EndedBySignalError
from forebay.settings import DeployConfig
from forebay.signals import interrupt_status

if TYPE_CHECKING:
    from forebay.cluster.runs.login import PipelinesLogin
    from forebay.cluster.runs.pipelines_client import PipelinesClient
    from forebay.cluster.runs.run import StartedRun
    from forebay.deploy.smoke import SmokeTest
    from forebay.registry import RegisteredBundle
    from forebay.settings import ServeConfig
    from forebay.state import StepLog

CHECK_INTERRUPTED = "Ended in the middle; the probe's pod, where there was one, is deleted."
ROLLBACK_INTERRUPTED = (
    "Ended in the middle; the pod is told to end, and then serves again what was served before, unless it was "
    "done already. `forebay status --cluster` shows what answers: look before you try again."
)


@dataclass(frozen=True, kw_only=True)
class ClusterBackend:
    """See `forebay.backend.protocol.Backend`.

    Attributes:
        context: context of the kubeconfig; empty for the current one, or for the cluster that this pod runs in.
        namespace: namespace of the served models; empty for the default of `deploy.namespace`.
        image: container image of the pods that a command runs; empty for that of the pipelines.
        probed: whether `check` looks from inside the cluster as well, from a short-lived pod.
        login: how Kubeflow Pipelines is reached; None through the kubeconfig.
        compiled: the compiled pipeline; None for the one that came with the package.
        experiment, run_name: names in Kubeflow Pipelines; an empty run name is made from pipeline, revision and time.
        timeouts: how long to wait for what.
    """

    context: str = ""
    namespace: str = ""
    image: str = ""
    probed: bool = True
    login: "PipelinesLogin | None" = None
    compiled: Path | None = None
    experiment: str = "forebay"
    run_name: str = ""
    timeouts: ClusterTimeouts = field(default_factory=ClusterTimeouts)

    @property
    def ingest_executor(self) -> SparkApplicationExecutor:
        """As `Backend.ingest_executor`."""
        return SparkApplicationExecutor(self.timeouts)

    @property
    def train_executor(self) -> TrainJobExecutor:
        """As `Backend.train_executor`."""
        return TrainJobExecutor(self.timeouts)

    def registered_bundle(self, reference: str, log: "StepLog") -> "RegisteredBundle":
        """As `DeployTarget.registered_bundle`; a registry that is away for a moment is asked again."""
        from forebay.cluster.rollout.served_versions import resolve_patiently

        return resolve_patiently(log.home, reference, log.warn, self.timeouts)

    def serve(
        self, bundle: "RegisteredBundle", smoke: "SmokeTest", config: DeployConfig, serve: "ServeConfig", log: "StepLog"
    ) -> str:
        """As `DeployTarget.serve`: an InferenceService of KServe, rolled out, tested and promoted, or put back."""
        from forebay.cluster.rollout.served_versions import roll_out

        return roll_out(log.home, bundle, smoke, config, log.run_id, log.warn, serve, self.timeouts)

    def run(self, request: RunRequest, show: ShowEvent) -> Summary:
        """As `Backend.run`, on Kubeflow Pipelines."""
        started = self.start(request, show)
        show({"kind": "waiting", "text": f"Run {started.run_id}: {started.url}"})
        return self.follow(started.run_id, show, started.warnings)

    def start(self, request: RunRequest, show: ShowEvent) -> "StartedRun":
        """Submit a run, and follow it no further.

        Raises:
            ConfigError: the file or a setting cannot be used there; nothing was uploaded.
            PipelinesError: the cluster refused.
        """
        from forebay.backend.compiled_file import compiled_pipeline
        from forebay.cluster.runs.run import RunSubmission, submit

        wanted = RunSubmission(
            compiled=self.compiled or compiled_pipeline(),
            settings=dict(request.settings),
            experiment=self.experiment,
            run_name=self.run_name,
            fresh=request.fresh,
        )
        return submit(self.pipelines, wanted, show)

    def follow(self, run_id: str, show: ShowEvent, warnings: list[str] | None = None) -> Summary:
        """As `Backend.follow`.

        Args:
            run_id: id that Kubeflow Pipelines gave the run.
            show: called with every event.
            warnings: what was warned of before the run began; it becomes part of the summary.

        Raises:
            ClusterError: somebody ended the run, or it never came to a step.
        """
        from forebay.cluster.runs.run import follow
        from forebay.cluster.runs.run_follower import RunFollower

        return follow(RunFollower(self.pipelines, run_id, show, self.timeouts.follow), warnings or [])

    def roll_back(self, name: str, show: Callable[[str], None]) -> RolledBack:
        """As `Backend.roll_back`, by a short-lived pod beside the steps.

        Raises:
            ClusterError: the pod could not do its work.
            EndedBySignalError: Ctrl-C.
        """
        from forebay.cluster.rollout.rollback_pod import run_rollback_pod

        if not name:
            raise ConfigError("Name the model; `forebay status --cluster` lists those that are served.")
        try:
            result = run_rollback_pod(name, self._models_namespace, self.context, self.image, show, self.timeouts)
        except KeyboardInterrupt as interrupt:
            raise EndedBySignalError(ROLLBACK_INTERRUPTED, interrupt_status(interrupt)) from None
        return RolledBack(name=name, version=result.version, url=result.url)

    def status(self) -> BackendStatus:
        """As `Backend.status`: the newest run of Kubeflow Pipelines, and every InferenceService of ours."""
        from forebay.cluster.status import cluster_status

        return cluster_status(self.context, self._models_namespace, self.timeouts)

    def check(self) -> Iterator[CheckResult]:
        """As `Backend.check`: API server, nodes, storage, kinds, deployments, rights, and a look from inside.

        Raises:
            EndedBySignalError: Ctrl-C.
        """
        from forebay.cluster.checks.cluster_checks import cluster_checks

        try:
            yield from cluster_checks(self.context, probed=self.probed, image=self.image, timeouts=self.timeouts)
        except KeyboardInterrupt as interrupt:
            raise EndedBySignalError(CHECK_INTERRUPTED, interrupt_status(interrupt)) from None

    @cached_property
    def pipelines(self) -> "PipelinesClient":
        """The connection to Kubeflow Pipelines."""
        from forebay.cluster.runs.login import PipelinesLogin
        from forebay.cluster.runs.pipelines_client import connect
        from forebay.kube.retries import START_RETRY_S

        return connect(
            self.login or PipelinesLogin(host="", context=self.context), self.timeouts.retry_budget(START_RETRY_S)
        )

    @property
    def _models_namespace(self) -> str:
        return (DeployConfig(namespace=self.namespace) if self.namespace else DeployConfig()).namespace
