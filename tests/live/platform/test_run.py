"""From a submission to an answer over REST, on a real cluster."""

import json
import signal
import subprocess
from pathlib import Path

from sklearn.datasets import load_digits

from forebay.backend.summary import STEPS
from support.forebay_command import Forebay
from support.live_platform import SMALL, Platform, Trained

IMAGE = (load_digits().images[0] * 255 / 16).round().astype(int).tolist()


def test_a_submitted_run_ends_in_a_model_that_answers_over_rest(platform: Platform, trained: Trained) -> None:
    assert [step["name"] for step in trained.summary["steps"]] == list(STEPS)
    assert not any(step["cached"] for step in trained.summary["steps"])
    assert platform.predict(trained.name, IMAGE)["model_version"] == trained.summary["model"]["version"]


def test_the_data_are_those_of_a_run_of_processes_and_the_model_is_as_good(trained: Trained, tmp_path: Path) -> None:
    forebay = Forebay(tmp_path)
    here = json.loads(forebay("run", "--json", "--name", trained.name, *SMALL).stdout)
    forebay("stop")
    assert here["data"]["digest"] == trained.summary["data"]["digest"]
    if here["model"]["weights_sha256"] != trained.summary["model"]["weights_sha256"]:  # other CPU flags or threads
        assert abs(here["accuracy"]["value"] - trained.summary["accuracy"]["value"]) < 0.05


def test_every_step_runs_as_the_runners_account_and_without_gpus(platform: Platform, trained: Trained) -> None:
    pods = platform.pods(trained.summary["run_id"])
    assert len(pods) == len(STEPS)
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"pipeline-runner"}
    limits = [each["resources"].get("limits", {}) for pod in pods for each in pod["spec"]["containers"]]
    assert {each["nvidia.com/gpu"] for each in limits if "nvidia.com/gpu" in each} == {"0"}  # which any node has


def test_a_second_submission_takes_what_is_done_from_the_cache(platform: Platform, trained: Trained) -> None:
    again = platform.submit("--name", trained.name, *SMALL)
    again = platform.submit("--name", trained.name, *SMALL) if not again["steps"][0]["cached"] else again
    assert [step["name"] for step in again["steps"] if step["cached"]] == ["ingest", "preprocess", "train"]
    assert again["model"]["weights_sha256"] == trained.summary["model"]["weights_sha256"]


def test_the_gates_no_ends_with_3_and_the_champion_keeps_answering(platform: Platform, trained: Trained) -> None:
    words = (*SMALL, "--set", "evaluate.min_accuracy=1.0")
    assert platform.submit("--name", trained.name, *words, expect=3)["state"] == "refused"
    assert platform.predict(trained.name, IMAGE)["model_version"] == trained.summary["model"]["version"]


def test_the_registry_survives_a_restart_of_mlflow(platform: Platform, trained: Trained) -> None:
    rollout = ("kubectl", "--namespace", "forebay", "rollout")
    subprocess.run([*rollout, "restart", "deployment/forebay-mlflow"], check=True, capture_output=True)
    subprocess.run([*rollout, "status", "deployment/forebay-mlflow", "--timeout=240s"], check=True, capture_output=True)
    again = platform.submit("--name", trained.name, *SMALL)
    assert "the weights are those of the champion" in again["gate"]["reason"]


def test_a_rollback_serves_the_champion_before_and_the_status_shows_it(platform: Platform, trained: Trained) -> None:
    first = trained.summary["model"]["version"]
    second = platform.submit("--name", trained.name, *SMALL, "--set", "train.epochs=5")
    assert second["model"]["version"] != first
    assert _served(platform, trained.name) == (second["model"]["version"], "answers")
    answer = platform.forebay("rollback", trained.name, "--cluster")
    assert answer.stdout.startswith(f"{trained.name} version {first} is champion again")
    assert _served(platform, trained.name) == (first, "answers")
    assert platform.predict(trained.name, IMAGE)["model_version"] == first
    assert platform.one_shot_pods("forebay-rollback") == []


def test_the_doctor_finds_nothing_and_leaves_nothing(platform: Platform) -> None:
    found = platform.forebay.json("doctor", "--cluster")
    assert [each for each in found["checks"] if not each["ok"]] == []
    assert {"image", "dns", "s3", "mlflow", "pod clock"} <= {each["name"] for each in found["checks"]}
    assert platform.one_shot_pods("forebay-doctor") == []


def _served(platform: Platform, name: str) -> tuple[str, str]:
    models = platform.forebay.json("status", "--cluster")["models"]
    return next((each["version"], each["state"]) for each in models if each["name"] == name)


def test_a_gpu_that_is_asked_for_stands_in_the_pods_limits(platform: Platform) -> None:
    words = ("--gpus", "1", "--on-interrupt", "terminate", "--name", platform.new_model(), *SMALL)
    with platform.following(*words) as process:
        assert process.stderr is not None
        run_id = process.stderr.readline().split()[1].rstrip(":")
        next(line for line in process.stderr if line.startswith("train:"))  # it waits for one, or has got one
        (pod,) = [pod for pod in platform.pods(run_id) if pod["status"]["phase"] != "Succeeded"]
        process.send_signal(signal.SIGINT)
        process.communicate()
    main = next(each for each in pod["spec"]["containers"] if each["name"] == "main")
    assert main["resources"]["limits"]["nvidia.com/gpu"] == "1"
