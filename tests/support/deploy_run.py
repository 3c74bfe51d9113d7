"""Registered versions with their evaluations, and a process's part of a run: acting on the deploy step's requests."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import HISTORY
from forebay.contracts.evaluation import PASSED, EvaluationResult, write_smoke
from forebay.deploy import deploy
from forebay.local.server import control, server_status
from forebay.local.server.handle_requests import handle_request
from forebay.local.server.launch import ServerOptions
from forebay.models import load_bundle
from forebay.select_backend import step_backend
from forebay.settings import DeployConfig
from forebay.state import Home, RunFolder, StepLog, seal
from support.made_once import home_with
from support.tiny_inference_server import write_bundle

NAME = "digits"
ROWS = 20


@dataclass
class Released:
    """A registered version and the folder of its evaluation."""

    version: str
    evaluation: Path
    bundle: Path


@dataclass
class DeployRun:
    """A state folder with a server that is started by the first deployment."""

    home: Home
    folder: Path
    released: int = 0

    def release(self, seed: int, *, recorded: bool = True) -> Released:
        """Register an untrained model as the next version and write what evaluate would say about it.

        Args:
            seed: of the model.
            recorded: with the digest over its files; earlier versions wrote none.
        """
        self.released += 1
        artifact = self.folder / f"version-{self.released}"
        bundle = artifact / "data" / "bundle"
        spec = write_bundle(bundle, seed=seed)
        (bundle / HISTORY).write_text("[]\n")
        client = tracking.client(self.home)
        if self.released == 1:
            client.create_registered_model(NAME)
        tags = {registry.WEIGHTS_TAG: spec.weights_sha256, registry.DATA_TAG: "d" * 64}
        if recorded:
            tags |= registry.record_tags(bundle_record(bundle))
        version = client.create_model_version(NAME, str(artifact), tags=tags).version
        evaluation = self.folder / f"evaluation-{self.released}"
        evaluation.mkdir()
        images = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 1), dtype=np.uint8)
        write_smoke(evaluation, images, load_bundle(bundle).predict(images))
        _evaluation(evaluation, spec.classes).write()
        seal(evaluation)
        return Released(str(version), evaluation, bundle)

    def log(self) -> StepLog:
        """The log of a deploy step in a new run."""
        run = self.home.new_run()
        return StepLog(name="deploy", run_id=run.run_id, home=self.home, events=run.events)

    def deploy(self, released: Released, **settings: object) -> str:
        """Run the step as in a pipeline: another thread is the process that runs it."""
        log, done = self.log(), threading.Event()

        def act() -> None:
            while not done.wait(0.02):
                handle_request(self.home, RunFolder(self.home.runs / log.run_id), ServerOptions("127.0.0.1", 0))

        runner = threading.Thread(target=act)
        runner.start()
        try:
            config = DeployConfig(**settings)  # type: ignore[arg-type]
            return deploy(released.evaluation, released.version, config, log, step_backend(log, config.target))
        finally:
            done.set()
            runner.join()

    @property
    def champion(self) -> str:
        found = registry.champion(self.home, NAME)
        assert found is not None
        return found.version

    @property
    def loaded(self) -> dict[str, str]:
        """What the server says it serves: version by name."""
        return {name: model.version for name, model in server_status.loaded_models(self.home).items()}


def _evaluation(folder: Path, classes: list[str]) -> EvaluationResult:
    return EvaluationResult(
        folder=folder, name=NAME, decision=PASSED, gate={"passed": True, "reason": "test"}, model={}, data={},
        accuracy={}, metrics={}, classes=classes, per_class=[], confusion=[], roc=([], [], []), macro_roc=([], []),
        calibration=[], settings={},
    )  # fmt: skip


@contextlib.contextmanager
def deploy_run_in(folder: Path, mlflow_template: Path) -> Iterator[DeployRun]:
    """One in a folder of its own, with a registry of its own; its server ends with the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        deploy_run = DeployRun(home_with(mlflow_template, folder / "home"), folder)
        yield deploy_run
        control.stop_server(deploy_run.home)


@pytest.fixture(scope="module")
def deploy_run(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployRun]:
    """One registry and one server for the tests of a module, which run in the order they stand."""
    with deploy_run_in(tmp_path_factory.mktemp("station"), mlflow_template) as deploy_run:
        yield deploy_run
