"""What a training is: data, settings and machine, and everything that follows from them before the first step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.holdout import SOURCE
from forebay.contracts.manifest import SplitManifest
from forebay.errors import DataError
from forebay.train.checkpoint import checkpoint_key
from forebay.train.machine import Machine
from forebay.train.resolve import Resolved


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One training."""

    dataset: Path
    data: SplitManifest
    settings: Resolved
    machine: Machine
    code_version: str
    checkpoint_s: int

    @property
    def key(self) -> str:
        """Name of its checkpoints: a digest of everything the weights depend on."""
        parts = {
            "data": self.data.digest,
            "settings": self.settings.record(),
            "code": self.code_version,
            "torch": self.machine.torch,
            "cpu_flags": self.machine.cpu_flags,
        }
        return checkpoint_key(parts)

    @property
    def training_facts(self) -> dict[str, Any]:
        """Settings as resolved and the machine, for the bundle and MLflow."""
        machine = {"torch": self.machine.torch, "cpu_flags": list(self.machine.cpu_flags)}
        return {**self.settings.record(), **machine, "device_name": self.machine.device_name}

    @property
    def data_facts(self) -> dict[str, Any]:
        """Where the data came from and how it was split, for the bundle."""
        data = self.data
        return {
            "name": data.name, "source": data.source, "kind": data.kind,
            "digest": data.data_digest, "split_digest": data.digest,
            "rows": data.rows, "splits": data.splits, "holdout": data.holdout, "validation": data.validation,
            "split_kind": data.split_kind, "exceptions": data.exceptions, "quarantined": data.quarantined,
        }  # fmt: skip


def check_learnable(dataset: Path, data: SplitManifest) -> None:
    """Refuse training rows that nothing can be learned from.

    Raises:
        DataError: no rows, one class only, or more classes than rows.
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
