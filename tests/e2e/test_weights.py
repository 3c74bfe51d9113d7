"""Weights to begin with, through whole runs: the very file that was meant, wherever its step runs."""

import json
import shutil
from typing import Any

from forebay import registry
from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere, cached_steps

QUICK = ("--set", "train.epochs=3", "--set", "evaluate.max_class_drop=1")


def test_a_registered_version_and_a_file_are_pinned_before_the_run(forebay: Forebay) -> None:
    forebay.json("run", *QUICK)
    champion = registry.resolve(Home(forebay.home).open(), "digits@champion")
    begin = ("run", *QUICK, "--set", "train.weights=models:/digits@champion", "--set", "train.model=resnet9")
    tuned = forebay.json(*begin)
    assert _asked(forebay, tuned) == {"train_weights": "models:/digits/1", "train_weights_sha256": champion.weights_sha256}
    spec = json.loads((_bundle(forebay, tuned) / "model.json").read_text())
    assert spec["training"]["weights_sha256"] == champion.weights_sha256

    file = forebay.folder / "own.safetensors"
    shutil.copyfile(champion.folder / "weights.safetensors", file)
    begin = ("run", *QUICK, "--set", "train.weights=own.safetensors", "--set", "train.model=resnet9", "--name", "file")
    from_file = forebay.json(*begin)
    assert _asked(forebay, from_file) == {"train_weights": str(file), "train_weights_sha256": champion.weights_sha256}
    assert "train" in cached_steps(forebay.json(*begin)), "the same file again"
    shutil.copyfile(_bundle(forebay, from_file) / "weights.safetensors", file)
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
