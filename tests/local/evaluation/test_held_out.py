"""`forebay evaluate` prepares images as the model's training did."""

from pathlib import Path
from typing import Any

import pytest

from forebay.contracts.bundles.spec import ModelSpec
from forebay.local.evaluation.held_out import EvaluatedModel, evaluation_settings

SPEC: dict[str, Any] = {
    "architecture": "mlp", "options": {}, "classes": ["a", "b"], "height": 20, "width": 30, "channels": 1,
    "mean": [0.5], "std": [0.2], "weights_sha256": "0" * 64,
}  # fmt: skip


@pytest.mark.parametrize(
    ("recorded", "fit", "bits"),
    [({"fit": "letterbox", "bits": 12}, "letterbox", "12"), ({}, "stretch", "16")],
    ids=["recorded", "an older bundle"],
)
def test_size_channels_aspect_ratio_and_bits_are_those_of_the_bundle(
    recorded: dict[str, Any], fit: str, bits: str
) -> None:
    spec = ModelSpec(**SPEC, **recorded, data={"holdout": 0.2, "validation": 0.1, "split_kind": "hash"})
    model = EvaluatedModel(folder=Path("m"), spec=spec, name="m", version=None)
    assert evaluation_settings(model, {"ingest.on_size": "quarantine"}) == {
        "ingest.size": "20x30", "ingest.channels": "1", "ingest.fit": fit, "ingest.bits": bits,
        "ingest.on_size": "quarantine", "evaluate.name": "m",
        "preprocess.holdout": 0.2, "preprocess.validation": 0.1, "preprocess.split": "hash",
    }  # fmt: skip
    assert evaluation_settings(model, {"ingest.fit": "crop"})["ingest.fit"] == "crop"
