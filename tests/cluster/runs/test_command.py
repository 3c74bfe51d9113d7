"""`forebay submit` as a person or a CI job gives it, against a server on the wire."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from forebay.backend.compiled_file import compiled_pipeline
from support.fake_pipelines_api import FakePipelines, fake_pipelines, recorded
from support.forebay_command import Forebay


def test_a_run_is_uploaded_started_and_followed_to_its_end(forebay: Forebay, done: FakePipelines) -> None:
    ended = forebay("submit", "--host", done.url, "--set", "train.epochs=3", "--run-name", "mine", "--json")
    summary = json.loads(ended.stdout)
    assert summary["state"] == "done"
    assert summary["run_url"] == f"{done.url}/#/runs/details/r1"
    assert "train: done in" in ended.stderr
    (run,) = done.runs
    assert run["display_name"] == "mine"
    assert run["runtime_config"]["parameters"]["train_epochs"] == "3"
    version = run["pipeline_version_reference"]["pipeline_version_id"]
    assert done.pipelines == {"forebay-training": ["forebay-training", version]}
    assert compiled_pipeline().read_text() in done.files[-1].replace("\r\n", "\n")


def test_a_pipeline_that_came_with_the_package_is_submitted_by_its_name(forebay: Forebay, done: FakePipelines) -> None:
    words = ("submit", "--host", done.url, "--pipeline", "batch", "--no-wait")
    forebay(*words, "--set", "batch.model=digits@champion", "--set", "batch.top=3")
    [run] = done.runs
    parameters = run["runtime_config"]["parameters"]
    assert (parameters["batch_model"], parameters["batch_top"]) == ("digits@champion", 3)
    assert list(done.pipelines) == ["forebay-batch"]
    assert "batch.model must name a model" in forebay(*words, expect=2).stderr
    refused = forebay("submit", "--host", done.url, "--set", "batch.model=digits", expect=2)
    assert "The compiled pipeline has no parameter batch_model" in refused.stderr


def test_a_version_that_is_there_is_not_uploaded_again(forebay: Forebay, done: FakePipelines) -> None:
    for _ in range(2):
        forebay("submit", "--host", done.url, "--no-wait")
    assert len(done.pipelines["forebay-training"]) == 2
    assert len(done.files) == 2  # the pipeline, and its version under our name
    assert len(done.experiments) == 1
    assert len(done.runs) == 2


def test_a_run_that_was_left_can_be_followed_later(forebay: Forebay, done: FakePipelines) -> None:
    left = json.loads(forebay("submit", "--host", done.url, "--no-wait", "--json").stdout)
    assert left["state"] == "submitted"
    assert "gate" in forebay("submit", "--host", done.url, "--follow", left["run_id"]).stdout
    assert len(done.runs) == 1


def test_the_gates_no_is_exit_code_3(forebay: Forebay) -> None:
    with fake_pipelines(recorded("refused")) as fake:
        ended = forebay("submit", "--host", fake.url, "--json", expect=3)
    assert json.loads(ended.stdout)["state"] == "refused"


def test_a_failed_step_is_exit_code_1_with_its_log(forebay: Forebay) -> None:
    with fake_pipelines(recorded("failed")) as fake:
        ended = forebay("submit", "--host", fake.url, "--json", expect=1)
    assert json.loads(ended.stdout)["error"]["step"] == "ingest"
    assert "The last lines of forebay-training-" in ended.stderr
    assert "Error: ingest: ingest.data: s3://nosuchbucket/x" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpus", "x"], "train.gpus must look like 0 or 1, got 'x'"),
        (["--data", "/tmp/images"], "the pods of a cluster cannot read '/tmp/images'"),
        (["--set", "deploy.target=moon"], "deploy.target must be one of auto, local, kserve, got 'moon'"),
        (["--pipeline", "nothing.yaml"], "nothing.yaml cannot be read: No such file"),
        (["--host", "kfp.example.com"], "--host must look like https://kfp.example.com"),
        (["--host", "http://me:secret@127.0.0.1"], "--host carries a login"),
        (["--host", "http://127.0.0.1:1"], "http://127.0.0.1:1 does not answer"),
        (["--ca", "nothing.pem"], "--ca: nothing.pem cannot be read"),
        (["--follow", "r1", "--gpus", "1"], "--follow looks at a run that is there already"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_uploaded(
    forebay: Forebay, done: FakePipelines, words: list[str], said: str
) -> None:
    ended = forebay("submit", "--host", done.url, *words, expect=2)
    assert said in ended.stderr
    assert "secret" not in ended.stderr
    assert not done.files
    assert not done.runs


def test_without_an_address_or_a_kubeconfig_the_way_is_named(forebay: Forebay) -> None:
    forebay.environment["KUBECONFIG"] = str(forebay.folder / "absent")
    assert "Give --host https://" in forebay("submit", expect=2).stderr


def test_a_login_that_is_not_known_is_refused_with_the_variable_to_renew(forebay: Forebay, done: FakePipelines) -> None:
    done.token = "right"
    forebay.environment["FOREBAY_KFP_TOKEN"] = "wrong-and-secret"
    ended = forebay("submit", "--host", done.url, expect=1)
    assert "answers 401" in ended.stderr
    assert "renew FOREBAY_KFP_TOKEN" in ended.stderr
    assert "wrong-and-secret" not in ended.stderr
    assert not done.runs


def test_the_token_of_a_file_lets_in(forebay: Forebay, done: FakePipelines, tmp_path: Path) -> None:
    done.token = "from-a-file"
    (tmp_path / "token").write_text("from-a-file\n")
    forebay.environment["FOREBAY_KFP_TOKEN_FILE"] = str(tmp_path / "token")
    forebay("submit", "--host", done.url, "--no-wait")
    assert len(done.runs) == 1


def test_a_token_never_travels_in_the_clear(forebay: Forebay) -> None:
    forebay.environment["FOREBAY_KFP_TOKEN"] = "t"
    ended = forebay("submit", "--host", "http://kfp.example.com", expect=2)
    assert "would travel to kfp.example.com in the clear" in ended.stderr


def test_a_server_that_is_too_old_is_refused(forebay: Forebay, done: FakePipelines) -> None:
    done.version = "2.3.0"
    ended = forebay("submit", "--host", done.url, expect=2)
    assert "runs Kubeflow Pipelines 2.3.0; this pipeline needs 2.4.0 or newer" in ended.stderr
    assert not done.files


def test_a_login_page_in_front_of_it_is_told_from_the_server(forebay: Forebay, done: FakePipelines) -> None:
    done.refuses["/apis/v2beta1/healthz"] = (200, "<html>Log in to continue</html>")
    assert "a login stands in front of it" in forebay("submit", "--host", done.url, expect=1).stderr


def test_a_namespace_without_the_right_is_named_and_nothing_is_started(forebay: Forebay, done: FakePipelines) -> None:
    done.multi_user = True
    words = json.dumps({"message": "Failed to authorize: User 'ci' is not authorized in namespace other"})
    done.refuses["/apis/v2beta1/experiments"] = (403, words)
    ended = forebay("submit", "--host", done.url, "--namespace", "other", expect=1)
    assert "User 'ci' is not authorized in namespace other" in ended.stderr
    assert "ask for the right, or give another --namespace" in ended.stderr
    assert not done.runs


@pytest.mark.parametrize(("choice", "terminated"), [("terminate", ["r1"]), ("leave", []), ("ask", [])])
def test_ctrl_c_leaves_the_run_or_terminates_it(forebay: Forebay, choice: str, terminated: list[str]) -> None:
    with fake_pipelines(recorded("waiting")) as fake:
        command = forebay.command("submit", "--host", fake.url, "--on-interrupt", choice)
        process = subprocess.Popen(
            command, env=forebay.variables(), cwd=forebay.folder, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        seen = next(line for line in process.stderr if "waits" in line or "Insufficient" in line)
        assert seen
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=600)[1]
        assert process.returncode == 130
        assert fake.terminated == terminated
    assert ("is being terminated" if terminated else "forebay submit --follow r1") in rest
