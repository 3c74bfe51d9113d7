"""timm's published weights, from a hub over loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.models.timm_import import import_timm
from forebay.state import Home
from forebay.weights import WeightsError, find_weights, load_pretrained
from support.fake_hub import MODEL, REPOSITORY, FakeHub, hub_with_one_network, network_file


@pytest.fixture(scope="module")
def weights() -> bytes:
    return network_file()


@pytest.fixture
def hub(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_with_one_network(monkeypatch, str(tmp_path / "cache"), weights) as running:
        yield running


@pytest.fixture
def kept_in(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_published_weights_are_fetched_once_and_fit(hub: FakeHub, kept_in: Home, weights: bytes) -> None:
    found = find_weights("published", MODEL, home=kept_in)
    assert found.path.read_bytes() == weights
    assert (found.architecture, found.library) == ("mobilenetv3_small_050", "timm")
    assert found.source == f"{hub.url}/{REPOSITORY} at 0123456789ab"
    assert found.input is not None
    assert (found.input.height, found.input.interpolation) == (224, "bicubic")
    assert load_pretrained(import_timm().create_model("mobilenetv3_small_050", num_classes=2), found, 3) == [
        "classifier.weight",
        "classifier.bias",
    ]
    hub.asked.clear()
    assert find_weights("mobilenetv3_small_050.lamb_in1k", MODEL, home=kept_in) == found
    assert hub.asked == []
    assert list(kept_in.weights.iterdir()) == [kept_in.weights / "timm"]  # nothing of the download is left


def test_an_interrupted_download_begins_anew_and_leaves_no_half_file(
    hub: FakeHub, kept_in: Home, weights: bytes
) -> None:
    hub.cut_at = [1_000_000]
    assert find_weights("published", MODEL, home=kept_in).path.read_bytes() == weights
    assert hub.asked.count(("GET", "")) == 2


def test_bytes_that_differ_from_the_stated_digest_are_refused(hub: FakeHub, kept_in: Home) -> None:
    hub.stated_sha256 = "0" * 64
    with pytest.raises(WeightsError, match=r"is not the expected 000000000000…\. The file was changed or cut short"):
        find_weights("published", MODEL, home=kept_in)
    assert [path for path in kept_in.weights.rglob("*") if path.is_file()] == []


def test_an_unknown_tag_lists_those_that_exist(hub: FakeHub, kept_in: Home) -> None:
    with pytest.raises(WeightsError, match=r"no weights mobilenetv3_small_050\.best\. There are .*\.lamb_in1k\."):
        find_weights("mobilenetv3_small_050.best", MODEL, home=kept_in)
    assert hub.asked == []


def test_a_repository_without_safetensors_is_named(hub: FakeHub, kept_in: Home) -> None:
    hub.files = {f"{REPOSITORY}/pytorch_model.bin": b"a pickle"}
    with pytest.raises(WeightsError, match=rf"{REPOSITORY} holds no model\.safetensors\. Only safetensors are taken"):
        find_weights("published", MODEL, home=kept_in)


def test_a_repository_behind_a_login_is_named(hub: FakeHub, kept_in: Home) -> None:
    hub.gated = True
    with pytest.raises(WeightsError, match=r"asks for a login\. Accept its licence there and set HF_TOKEN"):
        find_weights("published", MODEL, home=kept_in)


def test_without_a_network_the_message_says_how_weights_come_in(
    hub: FakeHub, kept_in: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.url = "http://127.0.0.1:9"  # nothing listens there
    hub.used(monkeypatch, "cache")
    with pytest.raises(WeightsError, match=r"cannot be fetched from http://127.0.0.1:9: .*forebay weights fetch NAME"):
        find_weights("published", MODEL, home=kept_in)


def test_offline_nothing_is_asked_and_the_cache_of_hf_home_is_used(
    hub: FakeHub, kept_in: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HOME", "set")
    find_weights("published", MODEL, home=kept_in)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert find_weights("published", MODEL, home=Home(tmp_path / "other")).architecture == "mobilenetv3_small_050"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE forbids to ask .* not in its cache"):
        find_weights("published", MODEL, home=Home(tmp_path / "third"))
    assert hub.asked == []


def test_the_variables_of_the_hub_reach_a_command(hub: FakeHub, kept_in: Home, tmp_path: Path) -> None:
    program = (
        "from forebay.weights import find_weights; from forebay.state import Home; "
        f"print(find_weights('published', {MODEL!r}, home=Home.find()).sha256)"
    )
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "FOREBAY_HOME": str(kept_in.root)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == find_weights("published", MODEL, home=kept_in).sha256
    assert list((tmp_path / "hf/hub").rglob("model.safetensors"))


def test_the_login_of_a_mirror_stands_in_no_record_and_in_no_message(
    hub: FakeHub, kept_in: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    with_login = hub.url.replace("://", "://user:s3cret@")
    for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
        monkeypatch.setattr(constants, name, getattr(constants, name).replace(hub.url, with_login))
    found = find_weights("published", MODEL, home=kept_in)
    assert found.source.startswith(hub.url.replace("://", "://***@"))
    hub.files.clear()
    with pytest.raises(WeightsError) as caught:
        find_weights("published", MODEL, home=Home(kept_in.root / "other"))
    assert "s3cret" not in str(caught.value)


def test_a_full_disk_is_the_machines_error(
    hub: FakeHub, kept_in: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import resource; from forebay.weights import find_weights; from forebay.state import Home\n"
        "from forebay.state.machine_errors import explain_machine_error\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        f"try: find_weights('published', {MODEL!r}, home=Home.find())\n"
        "except OSError as error: print(explain_machine_error(error))"
    )
    variables = {"HF_ENDPOINT": hub.url, "FOREBAY_HOME": str(kept_in.root)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert list(kept_in.weights.rglob("*")) == []


@pytest.mark.parametrize(
    ("weights", "model", "answer"),
    [
        ("published", "resnet18", r"torchvision publishes pickles.*train\.model=timm/resnet18"),
        ("published", "shufflenet_v2_x1_0", r"taken only as a file.*train\.weights_sha256"),
        ("published", "resnet9", r"nobody publishes weights for it\. Set train\.model=timm/tf_efficientnet_lite0"),
        ("resnet34.a1_in1k", "timm/resnet18", r"they are weights of resnet34\. Set train\.model=timm/resnet34"),
        ("resnet50.a1_in1k", "timm/resnet18", r"weights of resnet50"),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(
    weights: str, model: str, answer: str, kept_in: Home
) -> None:
    with pytest.raises(WeightsError, match=answer):
        find_weights(weights, model, home=kept_in)
    assert not kept_in.root.exists()
