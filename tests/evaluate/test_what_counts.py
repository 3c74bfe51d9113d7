"""What a judgement rests on: classes that nothing judged are named, and only rows that the model never saw count."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from forebay import registry
from forebay.contracts.bundles.spec import read_spec, write_spec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.holdout import content_fraction
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.errors import DataError
from forebay.evaluate import evaluate
from forebay.preprocess import preprocess
from forebay.register import register
from forebay.settings import EvaluateConfig, PreprocessConfig, RegisterConfig
from forebay.state import Home, StepLog, seal
from forebay.state.events import read_events
from support.row_tables import write_table
from support.tiny_models import fit_mlp

Prepare = Callable[..., Path]


def bright(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint8]:
    """Noise that is the brighter, the higher the label: learned in a few steps."""
    noise = np.random.default_rng(seed).integers(0, 40, (len(labels), 6, 6, 1))
    return (noise + 70 * labels[:, None, None, None]).astype(np.uint8)


def fraction_of(image: NDArray[np.uint8]) -> float:
    from forebay.contracts.rows import pixel_digest

    digest = np.frombuffer(pixel_digest(image.tobytes(), *image.shape), np.uint8)[None]
    return float(content_fraction(digest)[0])


@pytest.fixture
def prepare(tmp_path: Path, steplog: StepLog) -> Prepare:
    """Images to shards; returns the folder of the shards."""

    def run(
        name: str, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: list[str], **more: object
    ) -> Path:
        write_table(tmp_path / f"{name}-rows", images, labels.tolist(), classes, splits=more.pop("splits", None))  # type: ignore[arg-type]
        preprocess(tmp_path / f"{name}-rows", tmp_path / name, PreprocessConfig(**more), steplog)
        return tmp_path / name

    return run


def judge(shards: Path, bundle: Path, log: StepLog, **settings: object) -> EvaluationResult:
    return evaluate(shards, bundle, log.home.root / "evaluation", EvaluateConfig(**settings), log)


def said(log: StepLog) -> list[str]:
    assert log.events is not None
    return [event["text"] for event in read_events(log.events)[0] if event["kind"] == "warning"]


def test_of_three_classes_the_one_without_held_out_rows_is_named_everywhere_and_counted_nowhere(
    prepare: Prepare, tmp_path: Path, steplog: StepLog
) -> None:
    labels = np.array([0, 1] * 60 + [2] * 20)
    splits = ["test" if row < 30 else "train" for row in range(140)]
    shards = prepare("shards", bright(labels), labels, ["dark", "grey", "white"], splits=splits)
    fit_mlp(shards, tmp_path / "bundle", steps=60)
    found = judge(shards, tmp_path / "bundle", steplog)
    assert found.decision == "passed"
    assert found.gate["unjudged"] == ["white"]
    assert found.gate["reason"].endswith(". Not judged, without held-out rows: class 'white'")
    assert "no held-out row shows class 'white': not judged, and in no average" in said(steplog)
    white = found.per_class[2]
    assert (white["support"], white["recall"], white["precision"]) == (0, None, None)
    assert found.metrics["macro_recall"] == np.mean([row["recall"] for row in found.per_class[:2]])
    page = found.report.read_text()
    assert "Not judged, because no held-out image shows them, and in no average: class &#39;white&#39;" in page
    assert "mean of 2 of 3 classes" in page


def test_noise_of_uneven_classes_is_refused_and_switched_off_it_passes(
    prepare: Prepare, tmp_path: Path, steplog: StepLog
) -> None:
    labels = np.array([1] * 240 + [0] * 24)
    images = np.random.default_rng(1).integers(0, 255, (264, 6, 6, 1), np.uint8)
    shards = prepare("shards", images, labels, ["defect", "ok"])
    fit_mlp(shards, tmp_path / "bundle", steps=3)
    refused = judge(shards, tmp_path / "bundle", steplog)
    assert refused.decision == "refused"
    assert "no better than always answering 'ok', the largest class" in refused.gate["reason"]
    assert refused.gate["baseline"]["class_name"] == "ok"
    assert "Better than always answering “ok”" in refused.report.read_text()
    free = judge(shards, tmp_path / "bundle", steplog, baseline="none")
    assert free.decision == "passed"
    assert free.gate["baseline"] is None
    assert "Better than always answering" not in free.report.read_text()


def test_a_perfect_model_of_a_handful_of_images_passes_with_the_doubt_in_words(
    prepare: Prepare, tmp_path: Path, steplog: StepLog
) -> None:
    labels = np.array([0, 1] * 8)
    shards = prepare("shards", bright(labels * 2), labels, ["dark", "white"])
    fit_mlp(shards, tmp_path / "bundle", steps=60)
    found = judge(shards, tmp_path / "bundle", steplog)
    assert found.accuracy["value"] == 1.0
    assert found.accuracy["rows"] < 9
    assert found.decision == "passed"
    assert re.search(r"\. Hardly judged, by too few held-out rows: class '(dark|white)'$", found.gate["reason"])
    (doubt,) = [text for text in said(steplog) if "too few to tell" in text]
    assert doubt[0].upper() + doubt[1:] in found.report.read_text().replace("&#39;", "'")


def test_other_data_is_judged_on_rows_that_the_models_training_held_out_and_no_others(
    prepare: Prepare, tmp_path: Path, steplog: StepLog
) -> None:
    labels = np.array([0, 1] * 100)
    images = bright(labels)
    low = [row for row in range(200) if fraction_of(images[row]) < 0.15]
    high = [row for row in range(200) if fraction_of(images[row]) >= 0.2]
    few = np.array([*[row for row in low if labels[row] == 0][:3], *[row for row in high if labels[row] == 0][:60],
                    *[row for row in high if labels[row] == 1][:6]])  # fmt: skip
    first = prepare("first", images[few], labels[few], ["dark", "white"])
    fit_mlp(first, tmp_path / "bundle", steps=60)
    moved = SplitManifest.read(first).exceptions
    assert (len(moved["held_out"]), moved["trained"]) == (1, [])

    everything = prepare("everything", images, labels, ["dark", "white"], holdout=0.4)
    found = judge(everything, tmp_path / "bundle", steplog)
    tested = open_split(everything, SplitManifest.read(everything), "test")
    expected = int((content_fraction(tested.sha256) < 0.15).sum()) + int(
        sum(digest[:8].tobytes().hex() in moved["held_out"] for digest in tested.sha256)
    )
    assert found.accuracy["rows"] == expected < len(tested)
    assert any(f"{len(tested) - expected} of {len(tested)} test rows do not count" in text for text in said(steplog))
    assert judge(first, tmp_path / "bundle", steplog).accuracy["rows"] == SplitManifest.read(first).splits["test"]


def test_a_champion_trained_before_more_data_came_is_compared_on_rows_that_neither_saw(
    prepare: Prepare, tmp_path: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    labels = np.array([0, 1] * 120)
    images = bright(labels * 2, seed=4)
    white = [row for row in range(240) if labels[row] == 1]
    below = [row for row in white if fraction_of(images[row]) < 0.15]
    early = np.array([row for row in range(240) if labels[row] == 0 or row in below[:2]])  # of white only two, both low
    first = prepare("first", images[early], labels[early], ["dark", "white"])
    trained = SplitManifest.read(first).exceptions["trained"]
    assert len(trained) == 1
    fit_mlp(first, tmp_path / "champion", steps=60)
    evaluation = judge(first, tmp_path / "champion", steplog)
    version = register(first, tmp_path / "champion", evaluation.folder, RegisterConfig(), steplog)
    registry.set_champion(mlflow_home, evaluation.name, version)

    later = prepare("later", images, labels, ["dark", "white"])
    fit_mlp(later, tmp_path / "candidate", steps=60, seed=3)
    found = judge(later, tmp_path / "candidate", steplog)
    tested = open_split(later, SplitManifest.read(later), "test")
    seen = [row for row in tested.sha256 if row[:8].tobytes().hex() in trained]
    assert len(seen) == 1
    assert found.decision == "passed"
    assert found.accuracy["rows"] == len(tested)
    assert found.gate["champion"]["rows"] == len(tested) - 1


def test_a_model_whose_training_saw_every_row_is_not_judged_by_them(
    digits_shards: Path, digits_bundle: Path, tmp_path: Path, steplog: StepLog
) -> None:
    greedy = Path(shutil.copytree(digits_bundle, tmp_path / "greedy"))
    spec = read_spec(greedy)
    write_spec(greedy, replace(spec, data={**spec.data, "holdout": 0.0}))
    seal(greedy)
    with pytest.raises(DataError, match=r"none of the 268 test rows is known to be held out for this model") as caught:
        judge(digits_shards, greedy, steplog)
    assert "preprocess.split=hash" in caught.value.fix


def test_a_bundle_without_a_record_of_exceptions_is_judged_as_ever(
    digits_shards: Path, digits_bundle: Path, tmp_path: Path, steplog: StepLog
) -> None:
    older = Path(shutil.copytree(digits_bundle, tmp_path / "older"))
    spec = read_spec(older)
    data = {key: value for key, value in spec.data.items() if key != "exceptions"}
    write_spec(older, replace(spec, data=data))
    seal(older)
    assert judge(digits_shards, older, steplog).accuracy["rows"] == 268
    assert said(steplog) == []


def test_a_part_of_a_split_is_its_kept_rows_over_every_shards_edge() -> None:
    images = np.arange(11 * 4, dtype=np.uint8).reshape(11, 2, 2, 1)
    split = DatasetSplit(
        [images[:4], images[4:5], images[5:]], np.arange(11), np.arange(11 * 32, dtype=np.uint8).reshape(11, 32)
    )
    for seed in range(20):
        keep = np.random.default_rng(seed).random(11) < 0.6
        part = split.select(keep)
        np.testing.assert_array_equal(part.images_NHWC(), images[keep])
        np.testing.assert_array_equal(part.images_NHWC(1, 4), images[keep][1:4])
        assert part.labels.tolist() == np.flatnonzero(keep).tolist()
        np.testing.assert_array_equal(part.sha256, split.sha256[keep])
