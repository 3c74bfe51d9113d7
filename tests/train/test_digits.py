"""The default settings on the real digits."""

from pathlib import Path

import numpy as np

from forebay.contracts.shards import open_split
from forebay.models import load_bundle
from forebay.preprocess import preprocess
from forebay.settings import PreprocessConfig, TrainConfig
from forebay.state import StepLog
from forebay.train import fit
from support.row_tables import digits_table


def test_five_seeds_of_the_default_model_find_at_least_98_percent_of_held_out_digits(
    tmp_path: Path, steplog: StepLog
) -> None:
    digits_table(tmp_path / "rows")
    data = preprocess(tmp_path / "rows", tmp_path / "prepared", PreprocessConfig(), steplog)
    test = open_split(tmp_path / "prepared", data, "test")
    images, accuracies = test.images_NHWC(), []
    for seed in range(5):
        fit(tmp_path / "prepared", tmp_path / f"model-{seed}", TrainConfig(seed=seed), steplog)
        predicted = load_bundle(tmp_path / f"model-{seed}").predict(images).argmax(1)
        accuracies.append(float((predicted == test.labels).mean()))
    assert len(test) > 200
    assert np.mean(accuracies) >= 0.98, accuracies
