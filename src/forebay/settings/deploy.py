"""Settings of the last two steps: register and deploy."""

from dataclasses import dataclass
from typing import ClassVar

from forebay.settings.field import StepConfig, setting
from forebay.settings.gpu import GPU_RESOURCE, gpu_resource_rule
from forebay.settings.rules import AUTO, at_least, between, matching, memory_amount, one_of

LOCAL, KSERVE = "local", "kserve"  # values of deploy.target


@dataclass(frozen=True, kw_only=True)
class RegisterConfig(StepConfig):
    """What is written beside the weights in the registry."""

    prefix: ClassVar[str] = "register"

    example_rows: int = setting(
        2, unit="rows", meaning="Test rows stored as the version's input example", rule=between(1, 100)
    )


@dataclass(frozen=True, kw_only=True)
class DeployConfig(StepConfig):
    """Where the model is served and how it is proved before it becomes champion."""

    prefix: ClassVar[str] = "deploy"

    target: str = setting(
        AUTO,
        meaning="local is a KServe server process on this machine, kserve an InferenceService on a cluster; auto is "
        "local where the command line runs the pipeline, else kserve",
        rule=one_of(AUTO, LOCAL, KSERVE),
    )
    smoke_rows: int = setting(
        16,
        unit="rows",
        meaning="Held-out rows sent over REST and compared with evaluate's answers",
        rule=between(1, 1000),
    )
    tolerance: float = setting(
        1e-3, unit="probability", meaning="Largest difference allowed in that comparison", rule=between(0, 1)
    )
    timeout_s: int = setting(
        300,
        unit="seconds",
        meaning="How long to wait for readiness; a cluster may pull a container image first",
        rule=at_least(1),
    )
    namespace: str = setting(
        "forebay-models",
        meaning="On a cluster: namespace of the InferenceService",
        rule=matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "forebay-models"),
    )
    replicas: int = setting(1, unit="pods", meaning="On a cluster: how many servers answer", rule=between(1, 100))
    memory: str = setting(
        "1Gi",
        meaning="On a cluster: memory of one server, in Kubernetes' notation",
        rule=memory_amount("1Gi"),
    )
    gpus: int = setting(0, unit="GPUs", meaning="On a cluster: GPUs of one server", rule=between(0, 64))
    gpu_resource: str = setting(
        GPU_RESOURCE,
        meaning="On a cluster: what a GPU is called, such as nvidia.com/mig-1g.10gb for a MIG slice",
        rule=gpu_resource_rule(),
    )
