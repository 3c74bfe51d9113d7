"""The evaluate step on real models and a real registry: what it writes, and what the gate says."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from forebay import registry
from forebay.contracts.bundles.spec import HISTORY, SPEC, WEIGHTS, read_spec, write_spec
from forebay.contracts.evaluation import PREDICTIONS, EvaluationResult, read_smoke
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import ModelError
from forebay.evaluate import evaluate
from forebay.models import load_bundle
from forebay.preprocess import preprocess
from forebay.register import register
from forebay.settings import EvaluateConfig, PreprocessConfig, RegisterConfig
from forebay.state import Home, StepLog, is_sealed, seal
from forebay.state.events import read_events
from support.row_tables import write_table
from support.tiny_models import fit_mlp


def result(log: StepLog) -> dict[str, object]:
    assert log.events is not None
    return [event for event in read_events(log.events)[0] if event["kind"] == "result"][-1]


def run(dataset: Path, bundle: Path, log: StepLog, out: str = "evaluation", **settings: object) -> EvaluationResult:
    return evaluate(dataset, bundle, log.home.root / out, EvaluateConfig(**settings), log)


def crown(dataset: Path, bundle: Path, log: StepLog, name: str = "digits") -> str:
    """Register a bundle and make it champion, as a pipeline run does."""
    evaluation = run(dataset, bundle, log, out="crowned", name=name, min_accuracy=0.0)
    version = register(dataset, bundle, evaluation.folder, RegisterConfig(), log)
    registry.set_champion(log.home, name, version)
    return version


def test_the_record_holds_what_the_model_answers(digits_shards: Path, digits_bundle: Path, steplog: StepLog) -> None:
    found = run(digits_shards, digits_bundle, steplog)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    answers = load_bundle(digits_bundle).predict(test.images_NHWC()).argmax(1)
    right = int((answers == test.labels).sum())
    assert found.decision == "passed"
    assert found.accuracy["value"] == right / len(test)
    assert found.accuracy["low"] < found.accuracy["value"] < found.accuracy["high"]
    assert np.trace(np.array(found.confusion)) == right
    assert [row["support"] for row in found.per_class] == np.bincount(test.labels).tolist()
    assert all(np.isfinite(curve).all() and len(curve) <= 200 for curve in found.roc)
    assert is_sealed(found.folder)
    assert EvaluationResult.read(found.folder) == found


def test_the_recorded_result_is_what_summaries_read(digits_shards: Path, digits_bundle: Path, steplog: StepLog) -> None:
    found = run(digits_shards, digits_bundle, steplog)
    recorded = result(steplog)
    data = SplitManifest.read(digits_shards)
    assert recorded["data"] == {"rows": 1797, "classes": 10, "digest": data.data_digest, "quarantined": {}}
    assert recorded["accuracy"] == {key: found.accuracy[key] for key in ("value", "low", "high", "rows")}
    assert recorded["gate"] == {"passed": True, "reason": found.gate["reason"]}
    weights = read_spec(digits_bundle).weights_sha256
    assert recorded["model"] == {"name": "digits", "version": None, "weights_sha256": weights}
    assert recorded["report"] == str(found.report)
    assert found.report.is_file()


def test_predictions_and_smoke_rows_are_the_models_answers(
    digits_shards: Path, digits_bundle: Path, steplog: StepLog
) -> None:
    found = run(digits_shards, digits_bundle, steplog)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    expected = load_bundle(digits_bundle).predict(test.images_NHWC())
    table = pq.read_table(found.folder / PREDICTIONS)
    assert table["sha256"].to_pylist() == [digest.tobytes().hex() for digest in test.sha256]
    assert table["label"].to_pylist() == test.labels.tolist()
    assert table["predicted"].to_pylist() == expected.argmax(1).tolist()
    np.testing.assert_allclose(np.array(table["probabilities"].to_pylist()), expected, atol=1e-6)
    images, probabilities = read_smoke(found.folder)
    np.testing.assert_array_equal(images, test.images_NHWC(0, len(images)))
    np.testing.assert_allclose(probabilities, expected[: len(images)], atol=1e-6)


def test_the_calibration_error_stands_beside_that_without_the_temperature(
    digits_shards: Path, digits_bundle: Path, steplog: StepLog, tmp_path: Path
) -> None:
    before = run(digits_shards, digits_bundle, steplog)
    shutil.copytree(digits_bundle, tmp_path / "cold")
    write_spec(tmp_path / "cold", replace(read_spec(digits_bundle), temperature=2.5))
    seal(tmp_path / "cold")
    found = run(digits_shards, tmp_path / "cold", steplog, out="cold")
    error, without = found.metrics["calibration_error"], found.metrics["calibration_error_before"]
    assert without == pytest.approx(before.metrics["calibration_error"], abs=1e-4)
    assert error > 2 * without
    assert (found.model["temperature"], before.model["temperature"]) == (2.5, 1)
    assert found.accuracy == before.accuracy
    text = f"Temperature: 2.5, fitted on validation rows. Expected calibration error {without:.1%} without, {error:.1%}"
    assert text in found.report.read_text()
    assert "Temperature: 1. Expected calibration error" in before.report.read_text()


def test_without_a_champion_the_minimum_alone_decides(
    digits_shards: Path, poor_digits_bundle: Path, steplog: StepLog
) -> None:
    refused = run(digits_shards, poor_digits_bundle, steplog, min_accuracy=0.99)
    assert refused.decision == "refused"
    assert "below evaluate.min_accuracy 0.99" in refused.gate["reason"]
    passed = run(digits_shards, poor_digits_bundle, steplog, min_accuracy=0.1)
    assert passed.decision == "passed"
    assert "digits has no champion yet" in passed.gate["reason"]


def test_a_plainly_worse_model_is_refused_and_a_better_one_passes(
    digits_shards: Path, digits_bundle: Path, poor_digits_bundle: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    crown(digits_shards, digits_bundle, steplog)
    worse = run(digits_shards, poor_digits_bundle, steplog, min_accuracy=0.0)
    assert worse.decision == "refused"
    assert "significantly worse than the champion digits version 1" in worse.gate["reason"]
    assert worse.gate["champion"]["p_value"] < 0.05
    assert result(steplog)["gate"] == {"passed": False, "reason": worse.gate["reason"]}

    crown(digits_shards, poor_digits_bundle, steplog, name="other")
    better = run(digits_shards, digits_bundle, steplog, name="other")
    assert better.decision == "passed"
    assert "not worse than the champion other version 1" in better.gate["reason"]


def test_identical_weights_pass_and_name_their_version(
    digits_shards: Path, digits_bundle: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    version = crown(digits_shards, digits_bundle, steplog)
    again = run(digits_shards, digits_bundle, steplog)
    assert again.decision == "passed"
    assert again.gate["version"] == version
    assert result(steplog)["model"]["version"] == version


def test_only_rows_held_out_for_the_champion_as_well_are_compared(
    digits_shards: Path, digits_bundle: Path, tmp_path: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    careless = tmp_path / "careless"  # the same weights' record, but it held out only 5 %
    shutil.copytree(digits_bundle, careless)
    spec = read_spec(careless)
    write_spec(careless, replace(spec, data={**spec.data, "holdout": 0.05}))
    seal(careless)
    crown(digits_shards, careless, steplog)
    other = tmp_path / "other"
    fit_mlp(digits_shards, other, steps=60, seed=5)
    found = run(digits_shards, other, steplog)
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    expected = sum(int.from_bytes(digest[:8].tobytes(), "big") / 2**64 < 0.05 for digest in test.sha256)
    assert 0 < found.gate["champion"]["rows"] == expected < len(test)


def test_a_champion_of_other_classes_is_refused_by_name_and_another_name_passes(
    digits_shards: Path, digits_bundle: Path, tmp_path: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    crown(digits_shards, digits_bundle, steplog)
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), np.uint8)
    write_table(tmp_path / "table", images, [0, 1] * 150, ["cat", "dog"], name="digits")
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(), steplog)
    fit_mlp(tmp_path / "shards", tmp_path / "bundle", steps=2)
    refused = run(tmp_path / "shards", tmp_path / "bundle", steplog, min_accuracy=0.0, baseline="none")
    assert refused.decision == "refused"
    assert "not comparable with the champion digits version 1" in refused.gate["reason"]
    assert "classes: 10 (0, 1, 2, 3, 4, …) there, 2 (cat, dog) here" in refused.gate["reason"]
    free = run(tmp_path / "shards", tmp_path / "bundle", steplog, min_accuracy=0.0, baseline="none", name="pets")
    assert free.decision == "passed"


def test_a_champion_that_was_changed_is_an_error_that_names_the_file_and_says_what_next(
    digits_shards: Path, digits_bundle: Path, poor_digits_bundle: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    crown(digits_shards, digits_bundle, steplog)
    champion = registry.champion(mlflow_home, "digits")
    assert champion is not None
    spec = (champion.folder / SPEC).read_bytes()
    turned = {**json.loads(spec), "classes": json.loads(spec)["classes"][::-1]}
    for name, content in (
        (WEIGHTS, b"cut short"), (HISTORY, b"[]"), (SPEC, spec + b" "), (SPEC, json.dumps(turned).encode()),
    ):  # fmt: skip
        whole = (champion.folder / name).read_bytes()
        (champion.folder / name).write_bytes(content)
        words = rf"champion digits version 1 cannot be loaded.*{name} was changed.*forebay rollback"
        with pytest.raises(ModelError, match=words):
            run(digits_shards, poor_digits_bundle, steplog, min_accuracy=0.0)
        (champion.folder / name).write_bytes(whole)


def test_a_model_of_other_images_is_refused_before_anything_is_written(
    digits_bundle: Path, tmp_path: Path, steplog: StepLog
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 3), np.uint8)
    write_table(tmp_path / "table", images, [0, 1] * 100, ["cat", "dog"])
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(), steplog)
    with pytest.raises(ModelError, match=r"takes 8x8x1 images of 10 classes, the data shapes has 6x6x3 of 2"):
        run(tmp_path / "shards", digits_bundle, steplog)
    assert not (steplog.home.root / "evaluation").exists()


def test_a_diverged_model_is_named_instead_of_measured(
    digits_shards: Path, digits_bundle: Path, tmp_path: Path, steplog: StepLog
) -> None:
    import safetensors.torch
    import torch

    from forebay.models import save_bundle

    weights = safetensors.torch.load_file(digits_bundle / WEIGHTS)
    broken = {
        name: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    save_bundle(tmp_path / "nan", read_spec(digits_bundle), broken)
    with pytest.raises(ModelError, match=r"not finite; the training diverged\. Lower train\.learning_rate"):
        run(digits_shards, tmp_path / "nan", steplog)


def test_it_is_safe_to_run_twice(digits_shards: Path, digits_bundle: Path, steplog: StepLog) -> None:
    first = run(digits_shards, digits_bundle, steplog)
    (first.folder / "half-written").write_bytes(b"x")
    report = first.report.read_bytes()
    second = run(digits_shards, digits_bundle, steplog)
    assert first == second
    assert second.report.read_bytes() == report
    assert not (second.folder / "half-written").exists()
