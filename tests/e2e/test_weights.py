"""Weights to begin with, through whole runs: the very file that was meant, wherever its step runs."""

import json
import shutil
from pathlib import Path
from typing import Any

from forebay import registry
from forebay.contracts.bundles.spec import WEIGHTS, read_spec
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig, TrainConfig
from forebay.state import Home, StepLog
from forebay.train import fit
from support.forebay_command import Forebay, ForebayHere, cached_steps

QUICK = ("--set", "train.model=resnet9", "--set", "train.epochs=1", "--set", "evaluate.max_class_drop=1")
REFUSED = ("--set", "evaluate.min_accuracy=1")  # the run ends at the gate, where the claim is about what is before it


def test_a_registered_version_and_a_file_are_pinned_before_the_run(forebay: Forebay, digits_shards: Path) -> None:
    champion = _champion(forebay, digits_shards)
    tuned = forebay.json("run", *QUICK, "--set", "train.weights=models:/digits@champion")
    digest = champion.weights_sha256
    assert _asked(forebay, tuned) == {"train_weights": "models:/digits/1", "train_weights_sha256": digest}
    version = registry.resolve(Home(forebay.home), f"digits/{tuned['model']['version']}")
    assert read_spec(version.folder).training["weights_sha256"] == digest

    file = forebay.folder / "own.safetensors"
    shutil.copyfile(champion.folder / WEIGHTS, file)
    begin = ("run", *QUICK, "--set", "train.weights=own.safetensors", "--name", "file", *REFUSED)
    from_file = forebay.json(*begin, expect=3)
    assert _asked(forebay, from_file) == {"train_weights": str(file), "train_weights_sha256": digest}
    assert "train" in cached_steps(forebay.json(*begin, expect=3)), "the same file again"
    shutil.copyfile(version.folder / WEIGHTS, file)
    assert "train" not in cached_steps(forebay.json(*begin, expect=3)), "another file of that name"

    file.write_bytes(b"torn")
    here = ForebayHere(forebay.folder)
    assert "own.safetensors" in here(*begin, expect=2).stderr
    file.unlink()
    assert "own.safetensors" in here(*begin, expect=2).stderr


def _champion(forebay: Forebay, shards: Path) -> registry.RegisteredBundle:
    """A first version of the digits, trained and registered by the steps themselves."""
    home, folder = Home(forebay.home), forebay.folder / "first"
    log = StepLog(name="register", run_id="first", home=home, events=forebay.folder / "events.jsonl")
    fit(shards, folder / "bundle", TrainConfig(model="resnet9", epochs="1"), log)
    found = evaluate(shards, folder / "bundle", folder / "evaluation", EvaluateConfig(), log)
    register(shards, folder / "bundle", found.folder, RegisterConfig(), log)
    registry.set_champion(home, "digits", "1")
    return registry.resolve(home, "digits@champion")


def _asked(forebay: Forebay, summary: dict[str, Any]) -> dict[str, Any]:
    """What the plan of a run says of its weights."""
    plan = json.loads((forebay.home / "runs" / summary["run_id"] / "run.json").read_text())
    return {name: value for name, value in plan["parameters"].items() if name.startswith("train_weights")}
