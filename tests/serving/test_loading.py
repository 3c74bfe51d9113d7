"""Models that are loaded beside one another: what is broken, slow or hangs holds back no other."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kserve import ModelRepository

from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.examples import write_examples
from forebay.errors import ModelError
from forebay.models import Classifier, load_bundle
from forebay.serving.follow import Settler
from forebay.serving.loading.attempts import BESIDE, Loader
from forebay.serving.loading.bundle import open_bundle
from forebay.serving.loading.probe import probe
from forebay.serving.repository import Models
from forebay.serving.state import DesiredModel, LoadStatus
from support.tiny_inference_server import served

SOON_S = 60.0


class Disk:
    """Loads real bundles; those in a folder whose name begins with `slow` when it is let go."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def load(self, model: DesiredModel) -> Classifier:
        if Path(model.bundle).name.startswith("slow"):
            self.answers.wait()
        return open_bundle(model)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.answers.set()


def until(models: Models, right: Callable[[dict[str, LoadStatus]], bool]) -> dict[str, LoadStatus]:
    """What is served, once it is so."""
    given_up = threading.Event()
    timer = threading.Timer(SOON_S, given_up.set)
    timer.start()
    try:
        while not right(states := models.settle()):
            assert not given_up.is_set(), states
            models.wait_for_news(0.1)
        return states
    finally:
        timer.cancel()


def test_bundles_that_hang_hold_back_no_other_and_are_served_when_the_disk_answers(disk: Disk, tmp_path: Path) -> None:
    models = Models(ModelRepository(), Loader(disk.load, limit_s=0.5, yields_s=0.1))
    slow = {f"slow-{number}": served(tmp_path / f"slow-{number}", "1", seed=number) for number in range(2 * BESIDE)}
    good = served(tmp_path / "good", "1")
    models.want({**slow, "zoo": good})
    states = until(models, lambda now: now["zoo"] == good.loaded_status and all(now[name].error for name in slow))
    assert all("is not loaded after 0.5 s" in states[name].error for name in slow)
    assert set(models.missing()) == set(slow)
    models.want({**slow, "zoo": good, "zebra": replace(good, version="2")})  # a later wish waits for none of them
    assert models.settle()["zebra"].version == "2"
    disk.answers.set()
    until(models, lambda now: not any(state.error or state.loading for state in now.values()))
    assert models.missing() == {}


def test_an_older_version_answers_where_the_wanted_one_cannot(tmp_path: Path) -> None:
    models = Models(ModelRepository())
    old, new = served(tmp_path / "1", "1"), served(tmp_path / "2", "2", seed=2)
    models.want({"zoo": old})
    until(models, lambda now: now["zoo"] == old.loaded_status)
    broken = replace(new, digest="0" * 64)
    models.want({"zoo": broken, "candidate": replace(broken, candidate=True)})
    states = until(models, lambda now: not now["zoo"].loading)
    assert (states["zoo"].version, states["candidate"].version) == ("1", "")
    assert "is not the bundle that was registered" in states["zoo"].error
    assert models.missing() == {}  # it answers; and a candidate is nobody's but the deployment's
    models.want({"zoo": new})
    assert until(models, lambda now: not now["zoo"].loading)["zoo"] == new.loaded_status


def test_what_failed_is_tried_again_when_it_is_wanted_again(tmp_path: Path) -> None:
    models = Models(ModelRepository())
    model = served(tmp_path / "zoo", "1")
    hidden = (tmp_path / "zoo").rename(tmp_path / "hidden")
    models.want({"zoo": model})
    assert "is not a model bundle" in until(models, lambda now: not now["zoo"].loading)["zoo"].error
    hidden.rename(tmp_path / "zoo")
    models.want({"zoo": model})
    assert until(models, lambda now: not now["zoo"].loading)["zoo"] == model.loaded_status


def test_a_settler_waits_for_what_loads_and_ends_when_asked(tmp_path: Path) -> None:
    models = Models(ModelRepository())
    models.want({"zoo": served(tmp_path / "zoo", "1")})
    settler = Settler(models)
    settler.start()
    assert models.names() == ["zoo"]
    settler.stop()


def test_a_changed_file_is_named_also_where_only_the_list_of_files_tells(tmp_path: Path) -> None:
    model = served(tmp_path / "zoo", "1")
    (tmp_path / "zoo" / "history.json").write_text("[]")
    recorded = DesiredModel.from_record(tmp_path / "zoo", "1", model.weights_sha256, bundle_record(tmp_path / "zoo"))
    open_bundle(recorded)
    (tmp_path / "zoo" / "history.json").write_text("{}")
    with pytest.raises(ModelError, match=r"history.json was changed"):
        open_bundle(recorded)
    with pytest.raises(ModelError, match=r"its digest is"):
        open_bundle(replace(recorded, files=""))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, number: float) -> None:
    from forebay.contracts.bundles.spec import read_spec
    from forebay.models import save_bundle

    served(tmp_path / "zoo", "1")
    spec = read_spec(tmp_path / "zoo")
    weights = load_bundle(tmp_path / "zoo")._network.state_dict()
    name = next(iter(weights))
    weights[name] = weights[name].clone()
    weights[name].view(-1)[3] = number
    save_bundle(tmp_path / "zoo", spec, weights)
    with pytest.raises(ModelError, match=f"{name} holds numbers that are not finite"):
        open_bundle(DesiredModel(bundle=str(tmp_path / "zoo"), version="1", weights_sha256=""))


class _NaNFor(torch.nn.Module):
    """Answers with numbers but for one image."""

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

    served(tmp_path / "zoo", "1")
    row = np.random.default_rng(7).integers(0, 256, (1, 8, 8, 1), np.uint8)
    write_examples(tmp_path / "zoo", row)
    model = load_bundle(tmp_path / "zoo")
    probe(model, "zoo")
    spec = model.spec
    image = standardize(torch.tensor(row).permute(0, 3, 1, 2), spec.mean, spec.std)
    bad = Classifier(spec, _NaNFor(model._network, image), model.examples_NHWC)
    with pytest.raises(ModelError, match="zoo answers its own held-out images with numbers that are not finite"):
        probe(bad, "zoo")
    probe(Classifier(spec, _NaNFor(model._network, image)), "zoo")  # which nothing else would have shown
