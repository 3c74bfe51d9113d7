"""What one training is: data, settings and hardware, and everything that follows from them before the first step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.holdout import SOURCE
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.errors import DataError
from forebay.train.checkpoints.checkpoint import checkpoint_key
from forebay.train.own_network import OwnNetwork
from forebay.train.plan.hardware import HardwareInfo
from forebay.train.plan.resolved_settings import ResolvedSettings
from forebay.weights import PretrainedWeights


@dataclass(frozen=True)
class MemberNumber:
    """Which of the networks that a step trains, one after the other."""

    number: int = 1  # counted from 1
    count: int = 1

    @property
    def label(self) -> str:
        """For a person; empty where there is one network only."""
        return f"member {self.number} of {self.count}" if self.count > 1 else ""

    def named(self, text: str) -> str:
        """A sentence about this network, among several with its label."""
        return f"{self.label}: {text}" if self.label else text

    @property
    def measures(self) -> dict[str, float]:
        """For events of the training; empty where there is one network only."""
        return {"member": float(self.number), "members": float(self.count)} if self.count > 1 else {}


SINGLE_MEMBER = MemberNumber()


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """One training."""

    dataset: Path
    data: SplitManifest
    settings: ResolvedSettings
    hardware: HardwareInfo
    code_version: str
    checkpoint_s: int
    own_network: OwnNetwork | None = None  # the user's code, where the network is theirs
    pretrained: PretrainedWeights | None = None  # the settings hold their digest
    member: MemberNumber = SINGLE_MEMBER  # nothing of the training depends on it

    @property
    def key(self) -> str:
        """The name of its checkpoint folder: a digest of everything that the weights depend on."""
        parts = {
            "data": self.data.digest,
            "settings": self.settings.as_dict(),
            "code": self.code_version,
            "torch": self.hardware.torch,
            "cpu_flags": self.hardware.cpu_flags,
        }
        return checkpoint_key(parts)

    @property
    def training_facts(self) -> dict[str, Any]:
        """The resolved settings and the hardware, for the bundle and MLflow."""
        hardware = {"torch": self.hardware.torch, "cpu_flags": list(self.hardware.cpu_flags)}
        return {**self.settings.as_dict(), **hardware, "device_name": self.hardware.device_name}

    @property
    def mlflow_name(self) -> str:
        """What its MLflow run is called."""
        return f"{self.data.name}-{self.settings.model}"

    @property
    def mlflow_parameters(self) -> dict[str, Any]:
        """The parameters of its MLflow run."""
        return {**self.training_facts, "data_digest": self.data.data_digest, "split_digest": self.data.digest}

    @property
    def mlflow_tags(self) -> dict[str, str]:
        """The tags of its MLflow run."""
        return {"forebay.code_version": self.code_version, "forebay.data": self.data.name}

    def open_split(self, name: str) -> DatasetSplit:
        """Open a split of the dataset.

        Raises:
            DataError: its rows are not those of the manifest.
        """
        split = open_split(self.dataset, self.data, name)
        if len(split) != self.data.splits[name]:
            problem = f"{name} has {len(split)} labels, its manifest says {self.data.splits[name]}"
            raise DataError(source=str(self.dataset), problem=problem, fix="Run preprocess again.")
        return split


def check_learnable(dataset: Path, data: SplitManifest) -> None:
    """Refuse training rows from which nothing can be learned.

    Raises:
        DataError: there are no rows, one class only, or more classes than rows.
    """
    rows, present = data.splits["train"], [name for name, count in data.train_class_rows.items() if count]
    problem = ""
    if rows < 2:
        problem = f"the training split has {rows} rows"
    elif len(present) < 2:
        problem = f"all {rows} training rows are of the class {present[0]!r}"
    elif len(data.classes) > rows:
        problem = f"{len(data.classes)} classes have only {rows} training rows between them"
    if problem:
        where = "the source's training part" if data.split_kind == SOURCE else "the source or preprocess.holdout"
        fix = f"A classifier needs two classes or more with several rows each. Check {where}."
        raise DataError(source=str(dataset), problem=problem, fix=fix)
