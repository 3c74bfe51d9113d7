"""Versions in the registry of a real MLflow server, and a cluster on the wire whose models a real server serves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from forebay import registry, tracking
from forebay.cluster.rollout.inference_service import rollout_labels
from forebay.cluster.rollout.registry_retries import retry_registry
from forebay.cluster.rollout.served_versions import roll_out
from forebay.contracts.bundles.digest import bundle_record
from forebay.deploy.smoke import SmokeTest
from forebay.kube.retries import BACKGROUND_RETRY_S
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.models import load_bundle
from forebay.serving.state import DesiredModel
from forebay.settings import DeployConfig, ServeConfig
from forebay.settings.cluster_environment import MLFLOW_VARIABLES, MODEL_STORE
from forebay.settings.environment import MLFLOW_URI
from forebay.settings.serve import DEFAULT_SERVE
from forebay.state import Home
from support.fake_kube import FakeKubeApi, Object, fake_kube_api
from support.manual_clock import ManualClock
from support.paths import RECORDED
from support.tiny_inference_server import write_bundle

NAME = "digits"
CRASH = json.loads((RECORDED / "kserve" / "crash.json").read_text())
TOO_LITTLE = "64Mi"  # memory with which a server crashes


@dataclass
class FakeKServeCluster:
    """A home whose registry is MLflow's, a cluster, and the process that answers for its pods."""

    home: Home
    folder: Path
    given: dict[str, str]  # what the chart gives to steps, less the login and the store's keys
    fake: FakeKubeApi = field(init=False)
    bundles: dict[str, Path] = field(default_factory=dict)  # by version
    clock: ManualClock = field(default_factory=ManualClock)

    def release(self, seed: int) -> str:
        """Register an untrained network; its version."""
        artifact = self.folder / f"artifact-{seed}"
        spec = write_bundle(artifact / "data" / "bundle", seed=seed)
        (artifact / "MLmodel").write_text("flavors: {}\n")
        client = tracking.client(self.home)
        run = client.create_run(tracking.experiment_id(client, self.home)).info.run_id
        client.log_artifacts(run, str(artifact), "model")
        if not registry.list_names(self.home):
            client.create_registered_model(NAME)
        tags = {registry.WEIGHTS_TAG: spec.weights_sha256, registry.DATA_TAG: "d" * 64}
        tags |= registry.record_tags(bundle_record(artifact / "data" / "bundle"))
        source = f"{client.get_run(run).info.artifact_uri}/model"
        version = str(client.create_model_version(NAME, source, run, tags=tags).version)
        self.bundles[version] = artifact / "data" / "bundle"
        return version

    def deploy(self, version: str, serve: ServeConfig = DEFAULT_SERVE, **settings: object) -> str:
        """As the deploy step does; the URL."""
        images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
        smoke = SmokeTest(
            images_NHWC=images, probabilities=load_bundle(self.bundles[version]).predict(images), version=version,
            tolerance=1e-3,
        )  # fmt: skip
        config = DeployConfig(**{"timeout_s": 60, **settings})  # type: ignore[arg-type]
        bundle = retry_registry(
            self.clock.retry_budget(BACKGROUND_RETRY_S), partial(registry.resolve, self.home, f"{NAME}/{version}")
        )
        return roll_out(self.home, bundle, smoke, config, "run-1", lambda text: None, serve, self.clock.timeouts)

    def becomes(self, service: Object) -> tuple[Object, list[Object]]:
        """KServe and the kubelet: a server with enough memory loads the version that the object names."""
        model = service["spec"]["predictor"]["model"]
        version = model["args"][model["args"].index("--model-version") + 1]
        labelled = {"labels": rollout_labels(service)}
        if model["resources"]["limits"]["memory"] == TOO_LITTLE:
            return self._crashing(labelled)
        server = control.ensure_server(self.home, ServerOptions("127.0.0.1", 0))
        bundle = self.bundles[version]
        digest = model["args"][model["args"].index("--bundle-digest") + 1]
        served = DesiredModel(bundle=str(bundle), version=version, weights_sha256="", digest=digest)
        if publish(self.home, lambda _: {NAME: served}, 60).error(NAME):  # such a pod ends at once, again and again
            return self._crashing(labelled)
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        pod = {"metadata": {"name": f"{NAME}-{version}", **labelled}, "status": ready}
        return {**ready, "address": {"url": server.url}}, [pod]

    def _crashing(self, labelled: Object) -> tuple[Object, list[Object]]:
        (pod,) = CRASH["pods"]
        return CRASH["service"]["status"], [{**pod, "metadata": {**pod["metadata"], **labelled}}]

    @property
    def service(self) -> Object:
        """The model's InferenceService."""
        return self.fake.custom_objects[NAME]

    @property
    def champion(self) -> str | None:
        return registry.champion_version(self.home, NAME)


@contextmanager
def fake_kserve_cluster(folder: Path, mlflow: str) -> Iterator[FakeKServeCluster]:
    """Run one; this process has to have what is `given` in its environment.

    Args:
        folder: for all of it.
        mlflow: address of the MLflow server.
    """
    given = {MLFLOW_VARIABLES[MLFLOW_URI]: mlflow, MODEL_STORE: "s3://mlflow"}
    deploy_run = FakeKServeCluster(Home(folder / "home").open(), folder, given)
    with fake_kube_api(controller=deploy_run.becomes) as deploy_run.fake:
        try:
            yield deploy_run
        finally:
            control.stop_server(deploy_run.home)
