"""The steps as a run performs them, on a place's artifacts, and the facts by which two results are compared."""

import hashlib
from pathlib import Path
from typing import Any

from forebay.state import StepLog, read_json, step
from support.fault_cases.place import NAME, Place

TRAINING: dict[str, Any] = {
    "model": "mlp", "width": "16", "epochs": "6", "batch_rows": "32", "threads": "1", "code_version": "test",
}  # fmt: skip


def perform(name: str, place: Place) -> None:
    """Do a step in this process; its events say how it went."""
    with place.tried(), step(name) as log:
        _STEPS[name](place, log)


def _ingest(place: Place, log: StepLog) -> None:
    from forebay.ingest import ingest
    from forebay.settings import IngestConfig

    ingest(place.output("ingest"), IngestConfig(data=place.source or str(place.images)), log)


def _preprocess(place: Place, log: StepLog) -> None:
    from forebay.preprocess import preprocess
    from forebay.settings import PreprocessConfig

    preprocess(place.rows, place.output("preprocess"), PreprocessConfig(), log)


def _train(place: Place, log: StepLog) -> None:
    from forebay.settings import TrainConfig
    from forebay.train import fit

    fit(place.shards, place.output("train"), TrainConfig(**TRAINING), log)


def _evaluate(place: Place, log: StepLog) -> None:
    from forebay.evaluate import evaluate
    from forebay.settings import EvaluateConfig

    evaluate(place.shards, place.bundle, place.output("evaluate"), EvaluateConfig(), log)


def _register(place: Place, log: StepLog) -> None:
    from forebay.register import register
    from forebay.settings import RegisterConfig

    register(place.shards, place.bundle, place.evaluation, RegisterConfig(), log)


_STEPS = {
    "ingest": _ingest, "preprocess": _preprocess, "train": _train, "evaluate": _evaluate, "register": _register
}  # fmt: skip


def facts(name: str, place: Place) -> dict[str, Any]:
    """What must be the same whatever happened on the way."""
    if name == "register":
        return _registered(place)
    out = place.output(name)
    if name == "train":
        return {"weights": _sha256(out / "weights.safetensors")}
    if name == "evaluate":
        found = read_json(out / "evaluation.json")
        return {key: found[key] for key in ("decision", "accuracy", "confusion")} | {
            "smoke": _sha256(out / "smoke.npz")
        }
    if name == "preprocess":
        return {path.name: _sha256(path) for path in sorted(out.glob("*.*")) if path.suffix in (".npy", ".json")}
    return {"digest": read_json(out / "manifest.json")["digest"]}


def _registered(place: Place) -> dict[str, Any]:
    from forebay import registry

    found = registry.resolve(place.home, f"{NAME}/1")
    assert registry.champion(place.home, NAME) is None, "register moves no alias"
    return {"version": found.version, "weights": _sha256(found.folder / "weights.safetensors")}


def assert_nothing_half_registered(place: Place) -> None:
    """Every version there is can be resolved and loaded, and none is champion."""
    from forebay import registry, tracking

    if not place.home.mlflow_database.exists():
        return
    versions = tracking.client(place.home).search_model_versions()
    for each in versions:
        registry.resolve(place.home, f"{each.name}/{each.version}")
        assert registry.champion(place.home, each.name) is None
    assert not place.home.serving.exists(), "nothing is served"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
