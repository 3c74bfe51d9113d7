"""The model registry: registered versions, the champion among them, and their bundles on this machine."""

from forebay.registry.bundles import (
    NoRollbackTargetError,
    RegisteredBundle,
    champion,
    check_registered,
    previous_champion,
    resolve,
)
from forebay.registry.champions import CHAMPIONS_TAG, champion_version, set_champion
from forebay.registry.versions import (
    ACCURACY_TAG,
    DATA_TAG,
    DIGEST_TAG,
    FILES_TAG,
    RUN_TAG,
    WEIGHTS_TAG,
    RegisteredVersion,
    find_versions,
    list_names,
    list_versions,
    load_serving_settings,
    record_tags,
    registry_errors,
    save_serving_settings,
)

__all__ = [
    "ACCURACY_TAG",
    "CHAMPIONS_TAG",
    "DATA_TAG",
    "DIGEST_TAG",
    "FILES_TAG",
    "RUN_TAG",
    "WEIGHTS_TAG",
    "NoRollbackTargetError",
    "RegisteredBundle",
    "RegisteredVersion",
    "champion",
    "champion_version",
    "check_registered",
    "find_versions",
    "list_names",
    "list_versions",
    "load_serving_settings",
    "previous_champion",
    "record_tags",
    "registry_errors",
    "resolve",
    "save_serving_settings",
    "set_champion",
]
