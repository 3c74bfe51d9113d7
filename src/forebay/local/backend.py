"""This machine as a backend: the compiled pipeline runs here, and a server of the state folder serves the models."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from forebay.backend.check import CheckResult
from forebay.backend.protocol import BackendStatus, RolledBack, RunRequest, ShowEvent
from forebay.backend.summary import StepFailedError, Summary
from forebay.local.server.deploy_target import LocalServer
from forebay.local.server.launch import ServerOptions
from forebay.settings.keys import Scalar
from forebay.state import Home

DEFAULT_SERVER_OPTIONS = ServerOptions("127.0.0.1", 8090, "process")


@dataclass(frozen=True, kw_only=True)
class LocalBackend(LocalServer):
    """See `forebay.backend.protocol.Backend`.

    Attributes:
        home: the state folder.
        server_options: how to start the server, should none run, and what runs steps and server.
    """

    home: Home
    server_options: ServerOptions = DEFAULT_SERVER_OPTIONS
    ingest_executor: None = None
    train_executor: None = None

    def run(self, request: RunRequest, show: ShowEvent) -> Summary:
        """As `Backend.run`, in processes or containers of this machine.

        Raises:
            LockHeldError: another run holds the state folder.
            EndedBySignalError: Ctrl-C, or a signal that ends like it.
        """
        from forebay.local.runs.run import run_pipeline

        self.check_before_run(request.settings)
        return run_pipeline(self.home, request, self.server_options, show)

    def check_before_run(self, settings: Mapping[str, Scalar]) -> None:
        """The quick checks of machine, logins and data, before anything is started.

        Raises:
            ConfigError, MachineError: what would stop a run.
        """
        from forebay.local.checks.mlflow_login import check_mlflow_login
        from forebay.local.checks.preflight import check_before_run
        from forebay.local.checks.s3_access import check_checkpoint_store, check_data_source

        check_before_run(self.home, self.server_options)
        check_mlflow_login(self.home)
        check_data_source(str(settings.get("ingest.data", "")))
        check_checkpoint_store()

    def follow(self, run_id: str, show: ShowEvent) -> Summary:
        """As `Backend.follow`, for a run of another process, which may have been interrupted or killed."""
        from forebay.local.runs.follow_events import follow_events
        from forebay.local.runs.history import find_run, load_summary

        run = find_run(self.home, run_id)

        def ended() -> int | None:
            going_on = not run.summary.is_file() and self.home.lock.is_held()
            return None if going_on else 0

        follow_events(run, show, ended)
        summary = load_summary(run)
        if summary["state"] == "failed":
            raise StepFailedError(summary)
        return summary

    def roll_back(self, name: str, show: Callable[[str], None]) -> RolledBack:
        """As `Backend.roll_back`, on the server of this state folder; without a name, the model that it serves."""
        from forebay import registry
        from forebay.local.checks.mlflow_login import check_mlflow_login
        from forebay.local.runs.history import default_model
        from forebay.local.server.champions import rollback_version, serve_models

        check_mlflow_login(self.home)
        name = name or default_model(self.home)
        version = rollback_version(self.home, name)
        server = serve_models(self.home, (f"{name}/{version}",), self.server_options)
        registry.set_champion(self.home, name, version, back=True)
        return RolledBack(name=name, version=version, url=server.url)

    def status(self) -> BackendStatus:
        """As `Backend.status`."""
        from forebay.local.status import local_status

        return local_status(self.home)

    def check(self) -> Iterator[CheckResult]:
        """As `Backend.check`: Python, Java, PyTorch, disk, memory, port, state folder and S3."""
        from forebay.local.checks.machine_checks import machine_checks

        return machine_checks(self.home, self.server_options.host, self.server_options.port)
