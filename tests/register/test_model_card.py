"""The model card: readable for two classes and for a thousand, and safe whatever people called their classes."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.logged_model import pip_requirements
from forebay.register.markdown import escape
from forebay.register.model_card import MAX_CHARACTERS, model_card, model_description
from forebay.version import VERSION

PLACE = ("m-1", "#/experiments/1/runs/run/artifacts/report/report.html")
HOSTILE = "<script>alert(1)</script> | **b** [x](javascript:alert(1)) `c` &amp; ![i](//e.com/p) <!-- $$ # www.e.com"


def test_it_says_what_the_model_is_how_good_and_how_to_call_it() -> None:
    card = model_card(bundle(["cat", "dog"]), *PLACE)
    assert "**Accuracy**: **87.50%** of 40 held-out images; 95% interval 73.00% to 95.00%" in card
    assert "grey images of 8 x 8 pixels" in card
    assert "| cat | &emsp;20 | &emsp;75.0% | &emsp;90.0% |" in card
    assert "Most often confused: cat taken for dog (5 images)." in card
    assert "/v1/models/pets:predict" in card
    assert 'forebay.load_model("pets@champion")' in card
    assert 'mlflow.pyfunc.load_model("models:/m-1")' in card
    assert "(#/experiments/1/runs/run/artifacts/report/report.html)" in card
    assert "Over-fitting: none found; accuracy is 99.0% on training images, 87.5% on held-out ones." in card
    assert "Expected calibration error 20.0% without, 10.0% with." in card


def test_of_a_thousand_classes_it_lists_the_worst_and_no_registry_cuts_it() -> None:
    names = [f"species number {number} with a name as long as they come <&>" for number in range(1000)]
    card = model_card(bundle(names, overfitting="The model over-fits. " * 50), *PLACE)
    assert len(card) <= MAX_CHARACTERS
    assert "Of 1,000 classes, these" in card
    assert card.index("species number 999") < card.index("species number 998"), "the lowest recall comes first"
    assert "### How to call it" in card
    assert "### Origin" in card
    assert len(model_description(bundle(names).data)) < MAX_CHARACTERS


@pytest.mark.parametrize("name", [HOSTILE, "_a_", "www.e.com", "~~x~~", "http://e.com", "a\u202eb", "-", "x" * 1000])
def test_nothing_in_a_name_is_markdown_or_html(name: str) -> None:
    text = escape(name)
    assert not re.search(r"[<>`*|\[\]()!$~:/@\u202e]", text)
    assert "www." not in text
    assert len(text) < 600


def test_a_name_looks_as_it_was_written() -> None:
    assert escape("évaluate.min_accuracy 0.5, 3 kg") == "évaluate.min_accuracy 0.5, 3 kg"


def test_hostile_names_do_not_break_the_table() -> None:
    card = model_card(bundle([HOSTILE, "dog"]), *PLACE)
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {5}
    assert "<" not in card.replace("<!--", "")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, f"forebay=={VERSION}"),
        ({"library": "timm", "architecture": "seresnet50"}, f"forebay[timm]=={VERSION}"),
        ({"library": "onnx", "architecture": "net"}, f"forebay[onnx]=={VERSION}"),
    ],
)
def test_an_environment_gets_the_libraries_of_the_network(changed: dict[str, Any], wanted: str) -> None:
    assert pip_requirements(replace(bundle(["a", "b"]).spec, **changed)) == [wanted]


def test_an_ensemble_needs_what_one_of_its_members_needs() -> None:
    shared = {"options": {}, "mean": [0.0], "std": [1.0], "resize": None, "interpolation": "bilinear"}
    members = [
        {"library": library, "library_version": "1", "architecture": name, **shared}
        for library, name in (("forebay", "mlp"), ("timm", "seresnet50"))
    ]
    made = bundle(["a", "b"])
    spec = replace(made.spec, architecture="ensemble", library="forebay", members=members)
    assert pip_requirements(spec) == [f"forebay[timm]=={VERSION}"]
    assert "an ensemble of 2: mlp, seresnet50" in model_card(replace(made, spec=spec), *PLACE)


def bundle(classes: list[str], overfitting: str | None = None) -> EvaluatedBundle:
    """A bundle whose first class is taken for the second one five times; recall falls from class to class."""
    count = len(classes)
    shape: dict[str, Any] = {"height": 8, "width": 8, "channels": 1, "mean": [0.5], "std": [0.2]}
    spec = ModelSpec(
        architecture="mlp", options={}, classes=classes, weights_sha256="a" * 64, training={"seed": 3},
        lineage={"code_version": "0.1.0+abc"}, library_version="0.1.0", **shape,
    )  # fmt: skip
    data = SplitManifest(
        name="pets", source="s3://key:secret@pets/<b>", kind="folder", data_digest="d" * 64, digest="e" * 64,
        classes=classes, rows=400, quarantined={"not an image": 2}, split_kind="hash", holdout=0.1, validation=0.1,
        splits={"train": 320, "validation": 40, "test": 40}, shards={},
        train_class_rows={name: 10 + number for number, name in enumerate(classes)}, **shape,
    )  # fmt: skip
    confusion = [[0] * count for _ in classes]
    confusion[0][1] = 5
    per_class = [
        {"name": name, "support": 20, "precision": 0.9, "recall": 0.75 * (1 - number / count), "auc": 0.99}
        for number, name in enumerate(classes)
    ]
    evaluation = EvaluationResult(
        folder=Path(), name="pets", decision="passed", gate={"reason": "accuracy 0.8750 reaches 0.5"},
        model={"temperature": 0.5, "validation_rows": 80},
        data=data.data_facts, classes=classes, per_class=per_class, confusion=confusion, roc=([], [], []),
        accuracy={"value": 0.875, "low": 0.73, "high": 0.95, "rows": 40, "confidence": 0.95},
        metrics={"calibration_error": 0.1, "calibration_error_before": 0.2, "macro_recall": 0.8, "macro_f1": 0.8},
        macro_roc=([], []), calibration=[], settings={}, train_accuracy=0.99, overfitting=overfitting,
    )  # fmt: skip
    record = BundleRecord(digest="b" * 64)
    return EvaluatedBundle(spec=spec, record=record, evaluation=evaluation, data=data)
