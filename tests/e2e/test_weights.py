"""Weights to begin with, through whole runs: the very file that was meant, wherever its step runs."""

import json
import shutil
from typing import Any

from forebay import registry
from forebay.contracts.bundles.spec import read_spec
from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere, cached_steps

QUICK = ("--set", "train.epochs=3", "--set", "evaluate.max_class_drop=1")


def test_a_registered_version_and_a_file_are_pinned_before_the_run(forebay: Forebay) -> None:
    forebay.json("run", *QUICK)
    champion = registry.resolve(Home(forebay.home).open(), "digits@champion")
    begin = ("run", *QUICK, "--set", "train.weights=models:/digits@champion", "--set", "train.model=resnet9")
    tuned = forebay.json(*begin)
    digest = champion.weights_sha256
    assert _asked(forebay, tuned) == {"train_weights": "models:/digits/1", "train_weights_sha256": digest}
    version = registry.resolve(Home(forebay.home), f"digits/{tuned['model']['version']}")
    assert read_spec(version.folder).training["weights_sha256"] == digest

    file = forebay.folder / "own.safetensors"
    shutil.copyfile(champion.folder / "weights.safetensors", file)
    begin = ("run", *QUICK, "--set", "train.weights=own.safetensors", "--set", "train.model=resnet9", "--name", "file")
    from_file = forebay.json(*begin)
    assert _asked(forebay, from_file) == {"train_weights": str(file), "train_weights_sha256": digest}
    assert "train" in cached_steps(forebay.json(*begin)), "the same file again"
    shutil.copyfile(registry.resolve(Home(forebay.home), "file/1").folder / "weights.safetensors", file)
    assert "train" not in cached_steps(forebay.json(*begin)), "another file of that name"

    file.write_bytes(b"torn")
    here = ForebayHere(forebay.folder)
    assert "own.safetensors" in here(*begin, expect=2).stderr
    file.unlink()
    assert "own.safetensors" in here(*begin, expect=2).stderr


def _asked(forebay: Forebay, summary: dict[str, Any]) -> dict[str, Any]:
    """What the plan of a run says of its weights."""
    plan = json.loads((forebay.home / "runs" / summary["run_id"] / "run.json").read_text())
    return {name: value for name, value in plan["parameters"].items() if name.startswith("train_weights")}
