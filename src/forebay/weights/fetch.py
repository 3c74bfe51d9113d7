"""What `forebay weights` does: fetch weights into the state folder or a store, and list what there is."""

import os
from dataclasses import dataclass

from forebay.errors import ConfigError
from forebay.settings.environment import WEIGHTS_STORE_VARIABLE
from forebay.settings.model_names import TIMM, find_model, names_of
from forebay.state import Home
from forebay.weights.find import split_name, timm_weights
from forebay.weights.pretrained import PretrainedWeights
from forebay.weights.state_folder import WeightsRecord, list_kept
from forebay.weights.store import fill_store, list_store


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """Weights, and where they are."""

    record: WeightsRecord
    where: str  # the state folder's path, or the store's


def fetch_weights(home: Home, name: str, to: str = "") -> StoredWeights:
    """Bring timm's published weights, or the embedded ones, to this machine or into a store.

    Args:
        home: the state folder, where they come in any case.
        name: a network of timm's with or without the tag of the weights: `timm/resnet18`, `resnet18.a1_in1k`.
        to: a folder or `s3://BUCKET/PREFIX`; empty for the state folder alone.

    Raises:
        ConfigError: timm has no such network.
        WeightsError: it has no such weights, they cannot be had, or the store refuses.
    """
    architecture, tag = split_name(name)
    if find_model(f"{TIMM}/{architecture}") is None:
        raise ConfigError(_unknown(name, architecture))
    found = timm_weights(home, architecture, tag)
    record = _record_of(home, found)
    if to:
        fill_store(to, record, found.path)
    return StoredWeights(record=record, where=to or str(home.weights))


def list_weights(home: Home) -> list[StoredWeights]:
    """What the state folder holds, then what the store holds that the environment names.

    Raises:
        WeightsError: the store does not answer or refuses.
    """
    kept = [StoredWeights(record=record, where=str(home.weights)) for record in list_kept(home)]
    store = os.environ.get(WEIGHTS_STORE_VARIABLE, "")
    return kept + [StoredWeights(record=record, where=store) for record in (list_store(store) if store else ())]


def _record_of(home: Home, found: PretrainedWeights) -> WeightsRecord:
    return next(record for record in list_kept(home) if record.sha256 == found.sha256)


def _unknown(name: str, architecture: str) -> str:
    import difflib

    similar = difflib.get_close_matches(architecture, sorted(names_of(TIMM)), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
    return f"timm has no network {name}. {hint}`forebay models` lists the networks."
