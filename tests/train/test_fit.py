"""What the train step writes, what decides the weights, and what it says when it cannot go on."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from forebay import tracking
from forebay.contracts.bundles.spec import read_spec
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import DataError, LockHeldError, TrainError
from forebay.models import load_bundle
from forebay.settings import TrainConfig
from forebay.state import FileLock, Home, StepLog, is_sealed, seal
from forebay.state.events import read_events
from forebay.train import TrainResult, fit
from forebay.train.loop.training_state import check_memory
from forebay.train.plan.training_plan import check_learnable
from support.prepared_datasets import write_dataset
from support.watched_training import warnings

Small = Callable[..., TrainConfig]


@pytest.fixture
def train(dataset: Path, tmp_path: Path, steplog: StepLog, small: Small) -> Callable[..., TrainResult]:
    """Train with changed settings, without a checkpoint from before."""
    steplog.fresh = True
    return lambda data=dataset, **changes: fit(data, tmp_path / "out", small(**{"epochs": "3", **changes}), steplog)


def history(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "out" / "history.json").read_text())  # type: ignore[no-any-return]


def test_it_learns_and_its_bundle_answers_for_held_out_rows(
    dataset: Path, tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    result = train(epochs="10", width="8", optimizer="adamw")
    test = open_split(dataset, SplitManifest.read(dataset), "test")
    predicted = load_bundle(tmp_path / "out").predict(test.images_NHWC()).argmax(1)
    assert (predicted == test.labels).mean() > 0.85, "guessing gives a third"
    assert result.metrics["validation_accuracy"] > 0.85
    assert all(np.isfinite(value) for value in result.metrics.values())
    assert is_sealed(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_COMPLETE.json", "examples.safetensors", "history.json", "model.json", "weights.safetensors",
    ]  # fmt: skip


def test_the_bundle_records_settings_machine_data_and_lineage(train: Callable[..., TrainResult]) -> None:
    spec = train().spec
    assert spec.options == {"width": 4, "mirror": False, "whiten": False, "dropout": 0.1}
    assert spec.training["batch_rows"] == 32
    assert spec.training["learning_rate"] > 0
    assert spec.training["precision"] in ("fp32", "bf16")
    assert (spec.training["threads"], spec.training["torch"]) == (1, torch.__version__)
    assert isinstance(spec.training["cpu_flags"], list)
    assert (spec.data["digest"], spec.data["split_digest"]) == ("d" * 64, "e" * 64)
    assert set(spec.data) == {
        "name", "source", "kind", "digest", "split_digest", "rows", "splits", "holdout", "validation", "split_kind",
        "exceptions", "quarantined",
    }  # fmt: skip
    assert spec.lineage["code_version"] == "test"
    assert spec.lineage["mlflow_run_id"]


def test_the_bundle_says_how_images_were_prepared(train: Callable[..., TrainResult], tmp_path: Path) -> None:
    spec = train(epochs="1").spec
    assert (spec.fit, spec.bits) == ("letterbox", 12)
    assert read_spec(tmp_path / "out") == spec
    facts = json.loads((tmp_path / "out" / "model.json").read_text())
    del facts["fit"], facts["bits"]
    (tmp_path / "out" / "model.json").write_text(json.dumps(facts))
    older = read_spec(tmp_path / "out")
    assert (older.fit, older.bits) == ("stretch", 16)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(train: Callable[..., TrainResult]) -> None:
    first, again, other = train(seed=1), train(seed=1), train(seed=2)
    assert first.spec.weights_sha256 == again.spec.weights_sha256 != other.spec.weights_sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "mlp", "width": "8"},
        {"model": "lenet5", "width": "auto", "schedule": "cosine"},
        {"model": "resnet18", "width": "auto", "epochs": "3"},
        {"optimizer": "adamw", "schedule": "constant"},
        {"precision": "fp32", "augment": "none"},
        {"precision": "bf16", "augment": "shift_flip"},
        {"class_weights": "balanced"},
    ],
)
def test_every_way_to_train_ends_with_a_loss_that_has_not_run_away(
    train: Callable[..., TrainResult], changes: dict[str, str]
) -> None:
    assert train(**changes).metrics["train_loss"] < 2


def test_an_interrupted_adamw_goes_on_bit_equal(
    dataset: Path, home: Home, tmp_path: Path, small: Small, steplog: StepLog
) -> None:
    config = small(optimizer="adamw", early_stop_epochs=5, epochs="4")

    class Failing(StepLog):
        def progress(self, done: int, total: int, unit: str, measures: Any = None) -> None:
            if done == 25:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "out", config, Failing(name="train", run_id="", home=home, events=steplog.events))
    resumed = fit(dataset, tmp_path / "out", config, steplog).spec.weights_sha256
    steplog.fresh = True
    assert fit(dataset, tmp_path / "out", config, steplog).spec.weights_sha256 == resumed


def test_early_stop_ends_before_the_last_epoch_and_keeps_the_best_weights(
    tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    noisy = write_dataset(tmp_path / "noisy", train=64, validation=40, noise=250)
    result = train(noisy, epochs="60", early_stop_epochs=3, schedule="constant")
    losses = [epoch["validation_loss"] for epoch in history(tmp_path)]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 3 < 60
    assert result.metrics["validation_loss"] == losses[best]
    split = open_split(noisy, SplitManifest.read(noisy), "validation")
    predicted = load_bundle(tmp_path / "out").predict(split.images_NHWC()).argmax(1)
    delivered = history(tmp_path)[best]["validation_accuracy"]
    assert (predicted == split.labels).mean() == pytest.approx(delivered, abs=0.051)  # bf16 may turn two rows


def test_balanced_weights_find_a_rare_class_that_plain_ones_miss(
    tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    labels = np.array([0] * 300 + [1] * 20)
    rare = write_dataset(tmp_path / "rare", classes=2, labels=labels, noise=160, validation=0)
    test = open_split(rare, SplitManifest.read(rare), "test")

    def recall(kind: str) -> float:
        train(rare, class_weights=kind, epochs="2", dropout=0.0)
        predicted = load_bundle(tmp_path / "out").predict(test.images_NHWC()).argmax(1)
        return float((predicted[test.labels == 1] == 1).mean())

    assert recall("balanced") > recall("none")


def test_without_validation_rows_the_curves_say_so_with_null(tmp_path: Path, train: Callable[..., TrainResult]) -> None:
    result = train(write_dataset(tmp_path / "plain", validation=0))
    assert history(tmp_path)[0]["validation_loss"] is None
    assert set(result.metrics) == {"train_loss", "train_accuracy", "epochs", "images_per_s"}


def test_progress_and_results_are_recorded(steplog: StepLog, train: Callable[..., TrainResult]) -> None:
    result = train()
    assert steplog.events is not None
    events = read_events(steplog.events)[0]
    last = [event for event in events if event["kind"] == "progress"][-1]
    assert (last["done"], last["total"], last["unit"]) == (30, 30, "steps")
    assert (last["measures"]["epoch"], last["measures"]["epochs"]) == (3, 3)
    assert 0 < last["measures"]["loss"] < 3
    assert 0 <= last["measures"]["accuracy"] <= 1
    (recorded,) = [event["training"] for event in events if event["kind"] == "result"]
    assert recorded["metrics"] == result.metrics
    assert recorded["settings"]["epochs"] == 3


def test_the_last_epoch_is_told_with_the_values_of_the_curves(
    steplog: StepLog, tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    train()
    assert steplog.events is not None
    told = [event for event in read_events(steplog.events)[0] if event["kind"] == "epoch"][-1]
    recorded = history(tmp_path)[-1]
    assert (told["epoch"], told["epochs"]) == (3, 3)
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert told["measures"][name] == pytest.approx(recorded[name], rel=1e-5)


def test_a_training_that_learns_noise_by_heart_says_so_on_its_way_and_at_its_end_and_in_mlflow(
    tmp_path: Path, home: Home, steplog: StepLog, train: Callable[..., TrainResult]
) -> None:
    noisy = write_dataset(tmp_path / "noise", train=64, validation=100, noise=400)
    spec = train(noisy, epochs="30", augment="none", dropout=0.0, width="8").spec
    first, last = warnings(steplog)
    assert re.match(r"After epoch \d+ of 30 the model knows its training images by heart: train accuracy 100.0%", first)
    assert re.match(r"The model over-fits: train accuracy 100.0% .*validation accuracy \d+.\d% \(.* by 100 rows", last)
    assert "train.augment=shift_flip" in last
    tags = tracking.client(home).get_run(spec.lineage["mlflow_run_id"]).data.tags
    assert tags["forebay.overfitting"] == last
    steplog.fresh = False
    train(noisy, epochs="30", augment="none", dropout=0.0, width="8")
    assert warnings(steplog)[2:] == [last], "a finished training says it again"


def test_a_training_that_learns_what_holds_for_others_says_nothing(
    steplog: StepLog, train: Callable[..., TrainResult]
) -> None:
    train(epochs="10", width="8", optimizer="adamw")
    assert warnings(steplog) == []


def test_a_loss_that_is_no_number_names_the_learning_rate(train: Callable[..., TrainResult]) -> None:
    with pytest.raises(TrainError, match=r"no longer a number in epoch \d of 3. Lower train.learning_rate \(now 100\)"):
        train(model="mlp", width="8", learning_rate="100", weight_decay=10.0, optimizer="sgd", schedule="constant")


def test_batches_of_one_row_are_refused_where_batch_norm_cannot_use_them(train: Callable[..., TrainResult]) -> None:
    with pytest.raises(TrainError, match=r"Set train\.batch_rows to 2 or more"):
        train(model="mlp", width="4", batch_rows="1")


def test_too_little_memory_names_the_setting(train: Callable[..., TrainResult]) -> None:
    with pytest.raises(TrainError, match=r"too small for resnet9 with train.batch_rows=32. Lower train.batch_rows"):
        train(model="resnet9", width="16384")


def test_weights_and_gradients_must_fit_before_any_is_allocated() -> None:
    network = nn.Linear(1000, 1000, bias=False)  # 4 MB, and as much for gradients
    check_memory(network, usable_bytes=8_000_000)
    with pytest.raises(MemoryError, match="8000000 bytes are needed for weights and gradients, 7999999 are free"):
        check_memory(network, usable_bytes=7_999_999)
    with pytest.raises(MemoryError, match="12000000 bytes are needed"):
        check_memory(network, copies=3, usable_bytes=8_000_000)


def test_the_same_training_twice_at_once_is_refused_by_name(
    home: Home, steplog: StepLog, train: Callable[..., TrainResult]
) -> None:
    train()
    (folder,) = home.checkpoints.iterdir()
    with FileLock(folder / "lock").held("the train step of run 20261121-1"), pytest.raises(LockHeldError) as refused:
        train()
    assert "the train step of run 20261121-1" in str(refused.value)


def test_labels_that_are_not_those_of_the_manifest_are_refused(
    tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    broken = write_dataset(tmp_path / "broken")
    np.save(broken / "train-labels.npy", np.zeros(7, np.int64))
    seal(broken)
    with pytest.raises(DataError, match="train has 7 labels, its manifest says 320"):
        train(broken)


@pytest.mark.parametrize(
    ("rows", "class_rows", "words"),
    [
        (0, {"a": 0, "b": 0}, "the training split has 0 rows"),
        (9, {"a": 9, "b": 0}, "all 9 training rows are of the class 'a'"),
        (3, {"a": 1, "b": 1, "c": 1, "d": 0}, "4 classes have only 3 training rows"),
    ],
)
def test_rows_that_teach_nothing_are_refused(dataset: Path, rows: int, class_rows: dict[str, int], words: str) -> None:
    data = replace(SplitManifest.read(dataset), classes=list(class_rows), train_class_rows=class_rows,
                   splits={"train": rows, "validation": 0, "test": 5})  # fmt: skip
    with pytest.raises(DataError, match=f"{words}.* Check the source or preprocess.holdout"):
        check_learnable(dataset, data)
    with pytest.raises(DataError, match=f"{words}.* Check the source's training part") as caught:
        check_learnable(dataset, replace(data, split_kind="source"))
    assert "holdout" not in caught.value.fix


def test_nothing_is_pickled(home: Home, tmp_path: Path, train: Callable[..., TrainResult]) -> None:
    train()
    files = [path for root in (home.checkpoints, tmp_path / "out") for path in root.rglob("*") if path.is_file()]
    assert {path.suffix for path in files if not path.name.startswith("step-")} == {".json", ".safetensors", ""}
    for path in files:
        start = path.read_bytes()[:4096]
        assert not start.startswith((b"\x80", b"PK")), f"{path} looks like a pickle or a torch archive"
        if path.name.startswith("step-"):
            header_bytes = int.from_bytes(start[:8], "little")
            json.loads(path.read_bytes()[8 : 8 + header_bytes])
