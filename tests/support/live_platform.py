"""A platform that `forebay up` made, as a person with its kubeconfig uses it."""

import json
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import Any

from forebay.kube.client import KubeClient
from forebay.kube.resource_types import INFERENCE_SERVICES, PODS, Object
from support.forebay_command import Forebay

MODELS, PIPELINES = "forebay-models", "kubeflow"
SMALL = ("--set", "train.epochs=3", "--set", "evaluate.min_accuracy=0.3", "--set", "train.model=lenet5")


@dataclass
class Platform:
    """A cluster that `forebay up` made, as a person with its kubeconfig uses it."""

    api: KubeClient
    forebay: Forebay
    models: list[str] = field(default_factory=list)  # to remove in the end

    def new_model(self) -> str:
        """A name that no earlier test and no person has registered."""
        self.models.append(f"t{uuid.uuid4().hex[:10]}")
        return self.models[-1]

    def remove(self, name: str) -> None:
        """Serve a model no longer: small nodes have room for one more at a time."""
        self.api.delete(INFERENCE_SERVICES, MODELS, name)
        self.models.remove(name)

    def submit(self, *words: object, expect: int = 0) -> dict[str, Any]:
        """Submit a run, follow it to its end and return its summary."""
        answer = self.forebay("submit", "--json", *words, expect=expect)
        summary: dict[str, Any] = json.loads(answer.stdout)
        return summary

    def pods(self, run_id: str) -> list[Object]:
        """Of a run, those that steps run in."""
        found = self.api.list_all(PODS, PIPELINES, labelSelector=f"pipeline/runid={run_id}")
        return [pod for pod in found if "-impl-" in pod["metadata"]["name"]]

    def one_shot_pods(self, kind: str) -> list[Object]:
        """Pods of a command that are there, less those that are ending."""
        found = self.api.list_all(PODS, PIPELINES, labelSelector=f"app.kubernetes.io/name={kind}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def following(self, *words: object) -> "subprocess.Popen[str]":
        """Submit a run and follow it in a process of its own; its lines are on standard error."""
        command = self.forebay.command("submit", "--json", *words)
        return subprocess.Popen(
            command, env=self.forebay.variables(), cwd=self.forebay.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def predict(self, name: str, instance: Any) -> dict[str, Any]:
        """Ask a served model over REST, through the API server."""
        service = f"/api/v1/namespaces/{MODELS}/services/{name}-predictor:80/proxy/v1/models/{name}:predict"
        answer: dict[str, Any] = json.loads(self.api._ask("POST", service, body={"instances": [instance]}))
        return answer["predictions"][0]


@dataclass(frozen=True)
class Trained:
    """A model that a run served, and the run's summary."""

    name: str
    summary: dict[str, Any]
