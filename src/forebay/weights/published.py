"""timm's published weights: the model's default ones, or those with a tag; and what timm says about them."""

from typing import Any

from forebay.state import Home
from forebay.state.file_digest import file_sha256
from forebay.weights.errors import WeightsError
from forebay.weights.hub import fetched_file
from forebay.weights.pretrained import InputFormat, PretrainedWeights
from forebay.weights.state_folder import WeightsRecord, find_kept, keep
from forebay.weights.store import find_in_store
from forebay.weights.whole_file import link_or_copy

_SAFETENSORS = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}  # else model.safetensors
_DEFAULT_FILE = "model.safetensors"


def published_weights(home: Home, architecture: str, tag: str) -> PretrainedWeights:
    """Weights that timm names, from the state folder, the store, or the hub.

    Args:
        home: the state folder, which keeps them.
        architecture: timm's name of the network.
        tag: timm's name of the weights; empty for those that timm takes by default.

    Raises:
        WeightsError: there are none, or they cannot be had.
    """
    config = _config(architecture, tag)
    name = f"timm/{architecture}.{config.tag}"
    return find_kept(home, name) or find_in_store(home, name) or _fetch(home, name, config)


def _fetch(home: Home, name: str, config: Any) -> PretrainedWeights:
    if not config.hf_hub_id:
        raise WeightsError(
            f"{name} is published as a pickle only ({config.url or 'no address'}). Download it yourself if you trust "
            "it, and give train.weights=FILE.pth with train.weights_sha256."
        )
    file = _SAFETENSORS.get(config.hf_hub_filename or "", _DEFAULT_FILE)
    home.weights.mkdir(parents=True, exist_ok=True)
    with fetched_file(config.hf_hub_id, file, name, home.weights) as (found, path):
        record = WeightsRecord(
            name=name,
            sha256=found.sha256 or file_sha256(path),
            source=found.source,
            library="timm",
            architecture=config.architecture,
            input=input_format(config),
            license=config.license or "",
        )
        return keep(home, record, lambda target: link_or_copy(path, target))


def input_format(config: Any) -> InputFormat:
    """What timm says of the images that weights were trained on."""
    _, height, width = config.input_size
    return InputFormat(
        height=height, width=width, mean=tuple(config.mean), std=tuple(config.std), interpolation=config.interpolation
    )


def _config(architecture: str, tag: str) -> Any:
    """timm's description of weights.

    Raises:
        WeightsError: timm has no such network, or no such weights for it.
    """
    from forebay.models.timm_import import import_timm

    timm = import_timm()
    if not timm.is_model(architecture):
        raise WeightsError(f"timm has no network {architecture}. `forebay models` lists the networks.")
    known = {name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")}
    if not known:
        raise WeightsError(f"timm publishes no weights for {architecture}. Set train.weights=none or give a file.")
    if tag and tag not in known:
        raise WeightsError(
            f"timm publishes no weights {architecture}.{tag}. There are "
            f"{', '.join(f'{architecture}.{each}' for each in sorted(known))}."
        )
    return timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
