"""The step against a real server and a real registry: a version is proved before it takes over, or nothing changes."""

import shlex
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from forebay import registry
from forebay.cluster.rollout.served_versions import storage_uri
from forebay.contracts.bundles.spec import WEIGHTS
from forebay.contracts.evaluation import read_smoke, write_smoke
from forebay.errors import DeployError, ModelError
from forebay.local.server import server_status
from forebay.local.server.publish import publish
from forebay.local.server.serving_requests import ServingRequest, candidate_name
from forebay.serving.client import PredictionFailedError, infer, predict
from forebay.serving.curl import curl_command
from forebay.serving.example import example_image_path
from forebay.serving.state import DesiredModel
from forebay.settings.cluster_environment import MODEL_STORE
from forebay.state import seal
from forebay.state.events import read_events
from support.deploy_run import NAME, DeployRun


def test_the_first_version_is_served_and_becomes_champion(deploy_run: DeployRun) -> None:
    released = deploy_run.release(seed=1)
    url = deploy_run.deploy(released)
    assert url.endswith(f"/v1/models/{NAME}:predict")
    assert deploy_run.loaded == {NAME: released.version}
    assert deploy_run.champion == released.version


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_the_printed_curl_and_the_example_image_get_an_answer(deploy_run: DeployRun) -> None:
    server = server_status.running_server(deploy_run.home)
    assert server is not None
    command = curl_command(deploy_run.home, f"{server.url}/v1/models/{NAME}:predict")
    assert len(command) < 500
    output = subprocess.run(shlex.split(command), check=True, capture_output=True, timeout=300).stdout
    prediction = predict(server.url, NAME, example_image_path(deploy_run.home, NAME).read_bytes())
    assert prediction["label_name"].encode() in output
    assert prediction["model_version"] == deploy_run.champion


def test_the_next_version_takes_over_under_the_same_url(deploy_run: DeployRun) -> None:
    before = server_status.running_server(deploy_run.home)
    released = deploy_run.release(seed=2)
    log_of_run = deploy_run.deploy(released)
    assert server_status.running_server(deploy_run.home) == before
    assert before is not None
    assert log_of_run.startswith(before.url)
    assert deploy_run.loaded == {NAME: released.version}
    assert deploy_run.champion == released.version


def test_deploying_the_champion_again_changes_nothing(deploy_run: DeployRun) -> None:
    released = deploy_run.release(seed=2)
    before = deploy_run.champion
    again = replace(released, version=before)
    deploy_run.deploy(again)
    assert deploy_run.champion == before
    assert deploy_run.loaded == {NAME: before}


def test_a_version_that_answers_otherwise_than_evaluated_is_put_back(deploy_run: DeployRun) -> None:
    before = deploy_run.champion
    released = deploy_run.release(seed=3)
    images, probabilities = read_smoke(released.evaluation)
    write_smoke(released.evaluation, images, np.roll(probabilities, 1, axis=1))
    seal(released.evaluation)
    with pytest.raises(DeployError, match=rf"digits\.candidate over V2: .*deploy.tolerance.*Version {before} keeps"):
        deploy_run.deploy(released)
    assert deploy_run.champion == before
    assert deploy_run.loaded == {NAME: before}


def test_a_broken_version_is_named_and_the_old_one_keeps_answering(deploy_run: DeployRun) -> None:
    before = deploy_run.champion
    released = deploy_run.release(seed=4)
    (released.bundle / WEIGHTS).write_bytes(b"cut short")
    with pytest.raises(ModelError, match=r"is refused: .*weights.safetensors was changed"):
        deploy_run.deploy(released)
    assert deploy_run.champion == before
    assert deploy_run.loaded == {NAME: before}
    server = server_status.running_server(deploy_run.home)
    assert server is not None
    images, _ = read_smoke(released.evaluation)
    assert infer(server.url, NAME, images, 30).version == before
    with pytest.raises(PredictionFailedError, match="no model"):
        infer(server.url, candidate_name(NAME), images, 30)


def test_a_candidate_that_a_killed_deployment_left_is_gone_after_the_next(deploy_run: DeployRun) -> None:
    left = deploy_run.release(seed=5)
    model = DesiredModel(bundle=str(left.bundle), version=left.version, weights_sha256=registry.resolve(
        deploy_run.home, f"{NAME}/{left.version}").weights_sha256, candidate=True)  # fmt: skip
    publish(deploy_run.home, lambda present: present | {candidate_name("other"): model}, 30)
    released = deploy_run.release(seed=6)
    deploy_run.deploy(released)
    assert deploy_run.loaded == {NAME: released.version}


def test_a_deployment_killed_between_promotion_and_alias_is_completed_by_the_next(deploy_run: DeployRun) -> None:
    released = deploy_run.release(seed=8)
    found = registry.resolve(deploy_run.home, f"{NAME}/{released.version}")
    promoted = DesiredModel(bundle=str(found.folder), version=found.version, weights_sha256=found.weights_sha256)
    publish(deploy_run.home, lambda _: {NAME: promoted}, 30)
    assert deploy_run.champion != released.version
    deploy_run.deploy(released)
    assert deploy_run.champion == released.version
    assert deploy_run.loaded == {NAME: released.version}


def test_nobody_answering_is_said(deploy_run: DeployRun) -> None:
    from forebay.local.server.serving_requests import send_request
    from forebay.state import RunFolder

    run = RunFolder(deploy_run.log().home.new_run().folder)
    model = DesiredModel(bundle="x", version="1", weights_sha256="0")
    with pytest.raises(DeployError, match="nobody answered"):
        send_request(run, ServingRequest(action="stage", name=NAME, model=model), 0.2)


def test_a_cluster_cannot_fetch_from_this_disk(deploy_run: DeployRun) -> None:
    released = deploy_run.release(seed=7)
    with pytest.raises(DeployError, match=r"pods of a cluster fetch them from s3, gs, https only"):
        deploy_run.deploy(released, target="kserve")


def test_what_mlflows_server_hands_out_is_fetched_from_the_store_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_STORE, "s3://mlflow/")
    assert storage_uri("mlflow-artifacts:/1/models/m-7/artifacts/data/b") == "s3://mlflow/1/models/m-7/artifacts/data/b"
    assert storage_uri("s3://other/m-7/data/b") == "s3://other/m-7/data/b"
    monkeypatch.delenv(MODEL_STORE)
    with pytest.raises(DeployError, match="FOREBAY_MODEL_STORE=s3://BUCKET"):
        storage_uri("mlflow-artifacts:/1/models/m-7/artifacts/data/b")


def test_the_result_event_names_url_and_model(deploy_run: DeployRun) -> None:
    runs = [run for run in deploy_run.home.list_runs() if run.events.exists()]
    results = [event for run in runs for event in read_events(run.events)[0] if event["kind"] == "result"]
    assert all(set(event["model"]) == {"name", "version", "weights_sha256"} for event in results)
    assert len(results) == 5  # one per deployment that succeeded
