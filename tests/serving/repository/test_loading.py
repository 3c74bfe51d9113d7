"""Models that are loaded at the same time: one that is broken, slow or hangs holds back no other."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.examples import write_examples
from forebay.errors import ModelError
from forebay.models import Classifier, load_bundle
from forebay.models.classifier import NetworkClassifier
from forebay.serving.repository.load_bundle import load_for_serving
from forebay.serving.repository.loader import MAX_CONCURRENT_LOADS, BundleLoader, LoadTimeouts
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.reconciler import ModelReconciler
from forebay.serving.repository.verify_predictions import verify_predictions
from forebay.serving.state import DesiredModel, LoadStatus
from support.tiny_inference_server import write_desired_model

SOON_S = 60.0


class Disk:
    """Loads real bundles; a folder whose name begins with `slow` is read once `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def load(self, model: DesiredModel) -> Classifier:
        if Path(model.bundle).name.startswith("slow"):
            self.answers.wait()
        return load_for_serving(model)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.answers.set()


def wait_until(models: ModelManager, right: Callable[[dict[str, LoadStatus]], bool]) -> dict[str, LoadStatus]:
    """Wait until the statuses are right, and return them."""
    given_up = threading.Event()
    timer = threading.Timer(SOON_S, given_up.set)
    timer.start()
    try:
        while not right(states := models.reconcile()):
            assert not given_up.is_set(), states
            models.wait_for_load(0.1)
        return states
    finally:
        timer.cancel()


def test_bundles_that_hang_hold_back_no_other_and_are_served_when_the_disk_answers(disk: Disk, tmp_path: Path) -> None:
    models = ModelManager(BundleLoader(disk.load, LoadTimeouts(late_s=0.5, slot_s=0.1)))
    slow = {
        f"slow-{number}": write_desired_model(tmp_path / f"slow-{number}", "1", seed=number)
        for number in range(2 * MAX_CONCURRENT_LOADS)
    }
    good = write_desired_model(tmp_path / "good", "1")
    models.set_desired({**slow, "zoo": good})
    states = wait_until(models, lambda now: now["zoo"] == good.loaded_status and all(now[name].error for name in slow))
    assert all("is not loaded after 0.5 s" in states[name].error for name in slow)
    assert set(models.missing()) == set(slow)
    models.set_desired({**slow, "zoo": good, "zebra": replace(good, version="2")})  # a later one waits for none of them
    assert models.reconcile()["zebra"].version == "2"
    disk.answers.set()
    wait_until(models, lambda now: not any(state.error or state.loading for state in now.values()))
    assert models.missing() == {}


def test_an_older_version_answers_where_the_wanted_one_cannot(tmp_path: Path) -> None:
    models = ModelManager()
    old, new = write_desired_model(tmp_path / "1", "1"), write_desired_model(tmp_path / "2", "2", seed=2)
    models.set_desired({"zoo": old})
    wait_until(models, lambda now: now["zoo"] == old.loaded_status)
    broken = replace(new, digest="0" * 64)
    models.set_desired({"zoo": broken, "candidate": replace(broken, candidate=True)})
    states = wait_until(models, lambda now: not now["zoo"].loading)
    assert (states["zoo"].version, states["candidate"].version) == ("1", "")
    assert "is not the bundle that was registered" in states["zoo"].error
    assert models.missing() == {}  # version 1 answers, and candidates do not count
    models.set_desired({"zoo": new})
    assert wait_until(models, lambda now: not now["zoo"].loading)["zoo"] == new.loaded_status


def test_what_failed_is_tried_again_when_it_is_wanted_again(tmp_path: Path) -> None:
    models = ModelManager()
    model = write_desired_model(tmp_path / "zoo", "1")
    hidden = (tmp_path / "zoo").rename(tmp_path / "hidden")
    models.set_desired({"zoo": model})
    assert "is not a model bundle" in wait_until(models, lambda now: not now["zoo"].loading)["zoo"].error
    hidden.rename(tmp_path / "zoo")
    models.set_desired({"zoo": model})
    assert wait_until(models, lambda now: not now["zoo"].loading)["zoo"] == model.loaded_status


def test_a_reconciler_waits_for_what_loads_and_ends_when_asked(tmp_path: Path) -> None:
    models = ModelManager()
    models.set_desired({"zoo": write_desired_model(tmp_path / "zoo", "1")})
    reconciler = ModelReconciler(models)
    reconciler.start()
    assert models.names() == ["zoo"]
    reconciler.stop()


def test_a_changed_file_is_named_also_where_only_the_list_of_files_tells(tmp_path: Path) -> None:
    model = write_desired_model(tmp_path / "zoo", "1")
    (tmp_path / "zoo" / "history.json").write_text("[]")
    recorded = DesiredModel.from_record(tmp_path / "zoo", "1", model.weights_sha256, bundle_record(tmp_path / "zoo"))
    load_for_serving(recorded)
    (tmp_path / "zoo" / "history.json").write_text("{}")
    with pytest.raises(ModelError, match=r"history.json was changed"):
        load_for_serving(recorded)
    with pytest.raises(ModelError, match=r"its digest is"):
        load_for_serving(replace(recorded, files=""))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, number: float) -> None:
    from forebay.contracts.bundles.spec import read_spec
    from forebay.models import save_bundle

    write_desired_model(tmp_path / "zoo", "1")
    spec = read_spec(tmp_path / "zoo")
    weights = load_bundle(tmp_path / "zoo")._network.state_dict()
    name = next(iter(weights))
    weights[name] = weights[name].clone()
    weights[name].view(-1)[3] = number
    save_bundle(tmp_path / "zoo", spec, weights)
    with pytest.raises(ModelError, match=f"{name} holds numbers that are not finite"):
        load_for_serving(DesiredModel(bundle=str(tmp_path / "zoo"), version="1", weights_sha256=""))


class _NaNFor(torch.nn.Module):
    """Answers with NaN for one image, and with numbers for every other."""

    def __init__(self, network: torch.nn.Module, image_NCHW: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.image_NCHW = image_NCHW

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images_NCHW)
        hit = ((images_NCHW - self.image_NCHW).abs().amax(dim=(1, 2, 3)) < 1e-6)[:, None]
        return torch.where(hit, torch.full_like(logits, torch.nan), logits)


def test_the_trial_is_on_held_out_rows_of_the_bundle_too(tmp_path: Path) -> None:
    from forebay.models import standardize

    write_desired_model(tmp_path / "zoo", "1")
    row = np.random.default_rng(7).integers(0, 256, (1, 8, 8, 1), np.uint8)
    write_examples(tmp_path / "zoo", row)
    model = load_bundle(tmp_path / "zoo")
    verify_predictions(model, "zoo")
    spec = model.spec
    image = standardize(torch.tensor(row).permute(0, 3, 1, 2), spec.mean, spec.std)
    bad = NetworkClassifier(spec, _NaNFor(model._network, image), model.examples_NHWC)
    with pytest.raises(ModelError, match="zoo answers its own held-out images with numbers that are not finite"):
        verify_predictions(bad, "zoo")
    verify_predictions(NetworkClassifier(spec, _NaNFor(model._network, image)), "zoo")  # no other image shows it
