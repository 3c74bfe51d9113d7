"""A rollout over the wire: what is applied, what becomes of it, and who is champion."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from forebay.cluster.rollout.inference_service import (
    VERSION_LABEL,
    ModelDeployment,
    ServerResources,
    inference_service,
    rollout_labels,
)
from support.fake_kube import FakeKubeApi, Object
from support.paths import RECORDED

RollOut = Callable[..., str]
CRASH = json.loads((RECORDED / "kserve" / "crash.json").read_text())
READY = {"conditions": [{"type": "Ready", "status": "True"}], "address": {"url": "http://digits-predictor.ml"}}


def wanted(version: str, memory: str = "1Gi") -> Object:
    return inference_service(
        ModelDeployment(
            name="digits", namespace="ml", version=version, storage_uri="s3://b/m", weights_sha256="a" * 64,
            data_digest="d", code_version="c", run_id="r", 
            resources=ServerResources(memory=memory, memory_limit=memory),
        )
    )  # fmt: skip


def becomes(service: Object) -> tuple[Object, list[Object]]:
    """A version named bad ends as the recorded one did; any other comes up."""
    version = service["metadata"]["labels"][VERSION_LABEL]
    if version.startswith("bad"):
        (pod,) = CRASH["pods"]
        return CRASH["service"]["status"], [_labelled(pod, service)]
    pod = {"metadata": {"name": f"digits-{version}"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    return READY, [_labelled(pod, service)]


def _labelled(pod: Object, service: Object) -> Object:
    return {**pod, "metadata": {**pod["metadata"], "labels": rollout_labels(service)}}


@dataclass
class Registry:
    """Which version is champion, and how that one is served where this is known."""

    champion: str | None = None
    knows: bool = True


def memory(fake: FakeKubeApi) -> str:
    limits: dict[str, str] = fake.custom_objects["digits"]["spec"]["predictor"]["model"]["resources"]["limits"]
    return limits["memory"]


def served(fake: FakeKubeApi) -> str:
    version: str = fake.custom_objects["digits"]["metadata"]["labels"][VERSION_LABEL]
    return version
