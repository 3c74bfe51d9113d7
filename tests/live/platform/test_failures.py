"""What a real cluster does to a run: pods that are taken away, and a model that cannot be served."""

import re
import subprocess

from sklearn.datasets import load_digits

from support.live_platform import PIPELINES, SMALL, Platform, Trained


def test_a_run_goes_on_although_the_pod_of_every_step_is_deleted_once(platform: Platform) -> None:
    """Without grace, as where a node is lost: what a drained node grants is enough for these steps to end."""
    deleted: set[str] = set()
    name = platform.new_model()
    words = ("--fresh", "--name", name, "--set", "train.epochs=60", "--set", "evaluate.min_accuracy=0.3")
    with platform.following(*words) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        run_id = process.stderr.readline().split()[1].rstrip(":")
        for line in process.stderr:
            step = re.match(r"(\w+): started", line)
            running = [pod for pod in platform.pods(run_id) if pod["status"]["phase"] == "Running"] if step else []
            if step and running and step[1] not in deleted:
                deleted.add(step[1])
                pod = max(running, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["name"]
                command = ["kubectl", "--namespace", PIPELINES, "delete", "pod", pod, "--grace-period=0", "--force"]
                subprocess.run(command, check=True, capture_output=True)
        process.stdout.read()
        assert process.wait() == 0
    assert deleted >= {"ingest", "train", "evaluate", "register", "deploy"}  # preprocess may end before it is seen
    platform.remove(name)


def test_a_model_that_cannot_be_served_is_named_and_the_one_before_answers(
    platform: Platform, trained: Trained
) -> None:
    words = (*SMALL, "--set", "train.epochs=12", "--set", "deploy.memory=64Mi", "--set", "deploy.timeout_s=120")
    failed = platform.submit("--name", trained.name, *words, expect=1)
    assert failed["error"]["step"] == "deploy"
    assert "Raise deploy.memory" in failed["error"]["error"] or "does not stay up" in failed["error"]["error"]
    assert f"Version {trained.summary['model']['version']} keeps answering." in failed["error"]["error"]
    image = (load_digits().images[0] * 255 / 16).round().astype(int).tolist()
    assert platform.predict(trained.name, image)["model_version"] == trained.summary["model"]["version"]
