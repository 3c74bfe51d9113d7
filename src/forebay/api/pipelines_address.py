"""Where Kubeflow Pipelines is, and what is submitted there; a command needs these before it imports the rest."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PipelinesAddress:
    """Where Kubeflow Pipelines is."""

    host: str
    namespace: str
    context: str
    ca: str


@dataclass(frozen=True, kw_only=True)
class SubmittedRun:
    """What is submitted, and under which names."""

    pipeline: Path | None
    experiment: str
    run_name: str
