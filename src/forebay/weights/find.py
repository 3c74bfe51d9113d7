"""From the text of `train.weights` to a safetensors file on this machine."""

import difflib

from forebay.settings.model_names import TIMM, TORCHVISION, find_model, names_of
from forebay.state import Home
from forebay.weights.embedded import EMBEDDED_ARCHITECTURE, EMBEDDED_TAG, embedded_backbone
from forebay.weights.errors import WeightsError
from forebay.weights.file import check_digest, is_file_name, weights_file
from forebay.weights.pretrained import PretrainedWeights
from forebay.weights.published import published_weights
from forebay.weights.registered import PREFIX, registered_weights

NONE = "none"  # random weights
PUBLISHED = "published"


def find_weights(weights: str, model: str, *, home: Home, sha256: str = "") -> PretrainedWeights:
    """Find pretrained weights and bring them to this machine.

    Args:
        weights: `published` (those that timm takes by default for the model), a name of timm's weights such as
            `resnet18.a1_in1k`, a path or `s3://` URI of a safetensors file (of a .pth file with `sha256`), or
            `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        model: the network that they are for, as `train.model` names it, for example `timm/resnet18`.
        home: the state folder, which keeps what was fetched or converted.
        sha256: digest that the file must have; empty where any will do.

    Raises:
        WeightsError: there are none; the message says what to give.
        ModelError: there is no such registered version, or it was changed.
    """
    if is_file_name(weights):
        return weights_file(home, weights, sha256)
    if weights.startswith(PREFIX):
        found = registered_weights(home, weights)
    else:
        architecture, tag = _published_name(weights, model)
        found = timm_weights(home, architecture, tag)
    check_digest(found.source, found.sha256, sha256)
    return found


def timm_weights(home: Home, architecture: str, tag: str) -> PretrainedWeights:
    """Weights by timm's names; the embedded ones need no network.

    Raises:
        WeightsError: there are none, or they cannot be had.
    """
    if architecture == EMBEDDED_ARCHITECTURE and tag in ("", EMBEDDED_TAG):
        return embedded_backbone(home)
    return published_weights(home, architecture, tag)


def split_name(name: str) -> tuple[str, str]:
    """`timm/resnet18.a1_in1k` as architecture and tag; the tag may be empty."""
    architecture, _, tag = name.removeprefix(f"{TIMM}/").partition(".")
    return architecture, tag


def check_published_name(weights: str) -> None:
    """Check that timm has a network of the name that weights begin with; nothing is imported or fetched.

    Raises:
        WeightsError: it has none.
    """
    architecture, _ = split_name(weights)
    if architecture in names_of(TIMM):
        return
    near = difflib.get_close_matches(architecture, names_of(TIMM), n=3, cutoff=0.7)
    hint = f"Near names are {', '.join(near)}. " if near else ""
    raise WeightsError(
        f"train.weights={weights} names no weights: timm has no network {architecture}. {hint}Give published, a name "
        "of timm's weights such as resnet18.a1_in1k, a .safetensors file or s3:// URI, or models:/NAME@champion."
    )


def _published_name(weights: str, model: str) -> tuple[str, str]:
    """Architecture and tag of timm's weights for a model."""
    found = find_model(model)
    library, name = found if found else ("", model)
    architecture, tag = (name, "") if weights == PUBLISHED else split_name(weights)
    if weights != PUBLISHED:
        check_published_name(weights)
    if library != TIMM or architecture != name:
        raise WeightsError(
            f"train.weights={weights} does not go with train.model={model}: {_instead(library, name, architecture)}"
        )
    return architecture, tag


def _instead(library: str, name: str, architecture: str) -> str:
    if architecture != name:
        return f"they are weights of {architecture}. Set train.model={TIMM}/{architecture}, or other weights."
    if library == TORCHVISION and name in names_of(TIMM):
        return (
            f"torchvision publishes pickles, which are not taken. timm has the same network: train.model={TIMM}/{name}."
        )
    if library == TORCHVISION:
        return (
            "torchvision publishes pickles, which are taken only as a file that you have: "
            "train.weights=FILE.pth with train.weights_sha256. Or take a network of timm's (`forebay models`)."
        )
    return (
        f"nobody publishes weights for it. Set train.model={TIMM}/{EMBEDDED_ARCHITECTURE}, whose weights are "
        "installed, or give a file or a registered version."
    )
