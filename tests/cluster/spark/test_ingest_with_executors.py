"""The step's side of executors: a real driver behind an API server's fake, and what the step makes of how it ends."""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from forebay.cluster.executors import SparkApplicationExecutor
from forebay.cluster.spark import ingest_with_executors
from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, DataError
from forebay.ingest import ingest
from forebay.kube import own_pod
from forebay.kube.custom_job import JobError
from forebay.object_store import ObjectFolder
from forebay.settings import IngestConfig
from forebay.state import StepLog, is_sealed
from forebay.state.events import read_events
from support.fake_kube import FakeKubeApi, Object, fake_kube_api
from support.manual_clock import ManualClock
from support.s3_server import S3Store
from support.small_images import plant_bad_files, write_folder
from support.spark_driver_pod import run_driver

Ingest = Callable[..., DataManifest]
TIMEOUTS = ManualClock().timeouts
EXECUTOR = SparkApplicationExecutor(TIMEOUTS)
WORK = "s3://executors/work"
POD: Object = {
    "metadata": {"name": "ingest-pod", "namespace": "kubeflow", "uid": "u-1"},
    "spec": {
        "containers": [
            {"name": "wait", "image": "argo:1"},
            {"name": "main", "image": "registry.example.com/team/forebay/spark@sha256:aa"},
        ],
        "imagePullSecrets": [{"name": "registry"}],
    },
}


class Operator:
    """Works an application off in a thread, and tells its state whenever it is asked."""

    def __init__(self, work_off: Callable[[Object], bool]) -> None:
        self.applied: list[Object] = []
        self._work_off = work_off
        self._ended = ""
        self._thread = Thread()

    def plan(self, application: Object) -> tuple[Object, list[Object]]:
        """What is there at once."""
        self.applied.append(application)
        self._thread = Thread(target=self._run, args=(application,))
        self._thread.start()
        return self._status("SUBMITTED"), []

    def pop(self, _: int) -> tuple[Object, list[Object]]:
        """What is there at the next look."""
        self._thread.join(0.2)
        return self._status(self._ended or "RUNNING"), []

    def _run(self, application: Object) -> None:
        try:
            self._ended = "COMPLETED" if self._work_off(application) else "FAILED"
        except BaseException:
            self._ended = "FAILED"
            raise

    def _status(self, state: str) -> Object:
        failed = {"errorMessage": "driver container failed with ExitCode: 1"} if state == "FAILED" else {}
        return {"applicationState": {"state": state, **failed}}


@pytest.fixture
def step_pod(tmp_path: Path, s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a step in a pod, with what the chart gives it."""
    (tmp_path / "namespace").write_text("kubeflow")
    monkeypatch.setattr(own_pod, "NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.setenv("KFP_POD_NAME", "ingest-pod")
    monkeypatch.setenv("KFP_POD_UID", "u-1")
    monkeypatch.setenv("FOREBAY_WORK_STORE", WORK)
    monkeypatch.setenv("FOREBAY_SPARK_ACCOUNT", "forebay-spark")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))


@pytest.fixture
def cluster(tmp_path: Path, step_pod: None) -> Iterator[Callable[..., tuple[FakeKubeApi, Operator]]]:
    """A cluster whose operator works applications off in the given way."""
    with fake_kube_api(controller=lambda wanted: ({}, [])) as fake:

        def start(work_off: Callable[[Object], bool]) -> tuple[FakeKubeApi, Operator]:
            operator = Operator(work_off)
            fake.controller, fake.next_states = operator.plan, operator  # type: ignore[assignment]
            fake.custom_objects["ingest-pod"] = json.loads(json.dumps(POD))
            (tmp_path / "config").write_text(json.dumps(fake.kubeconfig()))
            return fake, operator

        yield start


@pytest.fixture
def source(tmp_path: Path, s3: S3Store) -> str:
    write_folder(tmp_path / "shapes", per_class=10)
    plant_bad_files(tmp_path / "shapes")
    return s3.upload(tmp_path / "shapes", "executors", "shapes")


def files_of(out: Path) -> dict[str, str]:
    found = [path for folder in ("rows", "quarantine") for path in (out / folder).iterdir()]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def left() -> list[str]:
    return ObjectFolder.parse(WORK, "a test").names()


def events_of(log: StepLog, kind: str) -> list[dict[str, Any]]:
    assert log.events is not None
    return [event for event in read_events(log.events)[0] if event["kind"] == kind]


def test_what_the_driver_tells_is_told_by_the_step(steplog: StepLog, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines as a driver's log has them."""
    driver_log = ingest_with_executors._DriverLog(steplog)
    StepLog(name="ingest", run_id="", home=steplog.home).progress(300, 600, "images")
    for line in capsys.readouterr().out.splitlines():
        driver_log.read_line(line)
    refusal = (
        'io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST. Message: pods "f-exec-1" is '
        "forbidden: exceeded quota: small, requested: requests.memory=2Gi"
    )
    for line in ("26/11/22 09:00:00 INFO ExecutorPodsAllocator: Going to request 2 executors", refusal, refusal):
        driver_log.read_line(line)
    [progress] = events_of(steplog, "progress")
    assert (progress["done"], progress["total"], progress["unit"]) == (300, 600, "images")
    [warning] = events_of(steplog, "warning")
    assert "forbidden: exceeded quota: small" in warning["text"]


def test_a_step_with_executors_ends_as_one_without_and_leaves_nothing_in_the_store(
    run_ingest: Ingest, cluster: Any, source: str, s3: S3Store, tmp_path: Path, steplog: StepLog
) -> None:
    (tmp_path / "driver").mkdir()

    def work_off(application: Object) -> bool:
        done = run_driver(application, tmp_path / "driver", "local[2]", s3.environment)
        print(done.stderr)
        return done.returncode == 0

    _, operator = cluster(work_off)
    out = tmp_path / "there"
    ours = hashlib.sha256(str(out).encode()).hexdigest()[:16]
    s3.client.put_object(Bucket="executors", Key=f"work/ingest/{ours}/killed/staged/part-00000.parquet", Body=b"x")
    s3.client.put_object(Bucket="executors", Key="work/ingest/somebody-elses/running/index.parquet", Body=b"x")
    there = ingest(out, IngestConfig(data=source, executors=2, max_quarantine=0.5), steplog, EXECUTOR)
    assert events_of(steplog, "result")[0]["data"]["digest"] == there.digest
    here = run_ingest(source, tmp_path / "here", max_quarantine=0.5)
    assert there == here == DataManifest.read(out)
    assert (out / "manifest.json").read_bytes() == (tmp_path / "here" / "manifest.json").read_bytes()
    assert files_of(out) == files_of(tmp_path / "here")
    assert is_sealed(out)
    assert left() == ["ingest/somebody-elses/running/index.parquet"]
    [application] = operator.applied
    assert application["metadata"]["ownerReferences"][0]["name"] == "ingest-pod"
    assert application["spec"]["image"] == POD["spec"]["containers"][1]["image"]
    assert application["spec"]["driver"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert application["spec"]["executor"]["instances"] == 2
    assert application["metadata"]["name"] == f"forebay-ingest-{ours}"


def test_the_drivers_error_is_the_steps_own_and_nothing_is_left(
    run_ingest: Ingest, cluster: Any, source: str, s3: S3Store, tmp_path: Path, steplog: StepLog
) -> None:
    with tarfile.open(tmp_path / "shapes.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "shapes", "shapes")
    (tmp_path / "shapes.tar.gz").write_bytes((tmp_path / "shapes.tar.gz").read_bytes()[:-40])
    uri = s3.upload(tmp_path / "shapes.tar.gz", "executors", "cut.tar.gz")
    (tmp_path / "driver").mkdir()
    codes = []

    def work_off(application: Object) -> bool:
        codes.append(run_driver(application, tmp_path / "driver", "local[2]", s3.environment).returncode)
        return codes[-1] == 0

    fake, _ = cluster(work_off)
    with pytest.raises(DataError) as there:
        ingest(tmp_path / "there", IngestConfig(data=uri, executors=2), steplog, EXECUTOR)
    with pytest.raises(DataError) as here:
        run_ingest(uri, tmp_path / "here")
    assert str(there.value) == str(here.value)
    assert list(fake.custom_objects) == ["ingest-pod"]
    assert codes == [1]
    assert not [name for name in left() if "somebody" not in name]


def test_an_application_that_fails_without_a_word_of_the_driver_fails_in_the_operators(
    cluster: Any, source: str, tmp_path: Path, steplog: StepLog
) -> None:
    cluster(lambda application: False)
    with pytest.raises(JobError, match=r"SparkApplication kubeflow/forebay-ingest-\w+ failed: driver container failed"):
        ingest(tmp_path / "out", IngestConfig(data=source, executors=2), steplog, EXECUTOR)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_nobody_tried_again_is_removed_after_a_day(
    cluster: Any, source: str, s3: S3Store, tmp_path: Path, steplog: StepLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.client.put_object(Bucket="executors", Key="work/ingest/killed-run/aa/index.parquet", Body=b"x")
    executor = SparkApplicationExecutor(replace(TIMEOUTS, stale_after=-timedelta(days=1)))
    cluster(lambda application: False)
    with pytest.raises(JobError):
        ingest(tmp_path / "out", IngestConfig(data=source, executors=2), steplog, executor)
    assert left() == []


@pytest.mark.parametrize("variable", ["FOREBAY_WORK_STORE", "FOREBAY_SPARK_ACCOUNT"])
def test_what_the_chart_does_not_give_is_named_with_the_value_that_gives_it(
    step_pod: None, source: str, variable: str, tmp_path: Path, steplog: StepLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigError, match=rf"ingest\.executors needs {variable}, .* spark\.enabled=true"):
        ingest(tmp_path / "out", IngestConfig(data=source, executors=2), steplog, EXECUTOR)


def test_outside_a_pod_the_step_says_so(source: str, tmp_path: Path, steplog: StepLog) -> None:
    with pytest.raises(ConfigError, match="This is no step of Kubeflow Pipelines in a pod"):
        ingest(tmp_path / "out", IngestConfig(data=source, executors=2), steplog, EXECUTOR)


@pytest.mark.parametrize("store", ["/work", "https://bucket/work"])
def test_a_work_store_that_is_none_is_refused(
    step_pod: None, source: str, store: str, tmp_path: Path, steplog: StepLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_WORK_STORE", store)
    with pytest.raises(ConfigError, match="FOREBAY_WORK_STORE must look like s3://BUCKET/PREFIX"):
        ingest(tmp_path / "out", IngestConfig(data=source, executors=2), steplog, EXECUTOR)
