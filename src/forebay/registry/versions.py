"""The registered versions of models, as the registry records them, and the tags on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from forebay import tracking
from forebay.contracts.bundles.record import BundleRecord
from forebay.errors import ModelError
from forebay.registry.champions import find_champion_version
from forebay.registry.queries import quote_name, search_all
from forebay.state import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS_TAG = "forebay.weights_sha256"
DIGEST_TAG = "forebay.bundle_digest"  # digest of all files of the bundle: `contracts.bundles.digest`
FILES_TAG = "forebay.bundle_files"  # the list behind that digest, which tells the file that differs
DATA_TAG = "forebay.data_digest"
RUN_TAG = "forebay.run_id"  # the pipeline run that registered the version
ACCURACY_TAG = "forebay.accuracy"  # on the held-out rows, 0..1
SERVED_TAG = "forebay.served"  # the settings with which a cluster served a version when it was proved, as JSON
MAX_TAG_CHARACTERS = 5000  # every MLflow takes this many; the list of a bundle's files has some hundred


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One registered version as the registry records it."""

    name: str
    version: str
    champion: bool
    weights_sha256: str
    created: str  # ISO 8601, UTC
    tags: dict[str, str]
    description: str = ""  # the model card

    @property
    def record(self) -> BundleRecord | None:
        """The digests of the bundle's files; None where an earlier Forebay registered the version."""
        digest = self.tags.get(DIGEST_TAG, "")
        return BundleRecord(digest=digest, files=self.tags.get(FILES_TAG, "")) if digest else None


def list_versions(home: Home, name: str) -> list[RegisteredVersion]:
    """Every version of a registered model, newest first; empty where there is none."""
    if not tracking.is_used(home):
        return []
    client = tracking.client(home)
    alias = find_champion_version(client, name)
    found = search_all(client.search_model_versions, f"name = '{quote_name(name)}'")
    versions = [_version(item, alias) for item in found]
    return sorted(versions, key=lambda item: int(item.version), reverse=True)


def list_names(home: Home) -> list[str]:
    """Every registered model's name, sorted."""
    if not tracking.is_used(home):
        return []
    return sorted(model.name for model in search_all(tracking.client(home).search_registered_models))


def find_versions(client: "MlflowClient", name: str, weights_sha256: str) -> list[str]:
    """The versions with exactly these weights, newest first."""
    found = client.search_model_versions(f"name = '{quote_name(name)}' and tags.`{WEIGHTS_TAG}` = '{weights_sha256}'")
    return sorted((str(item.version) for item in found), key=int, reverse=True)


def record_tags(record: BundleRecord) -> dict[str, str]:
    """The tags that carry a bundle's record; a list of files that is too long for a tag is left out."""
    short = len(record.files) <= MAX_TAG_CHARACTERS
    return {DIGEST_TAG: record.digest, **({FILES_TAG: record.files} if short else {})}


def save_serving_settings(home: Home, name: str, version: str, settings: Mapping[str, object]) -> None:
    """Store with a version the settings with which it is served, so that it can be served with them again."""
    tracking.client(home).set_model_version_tag(name, version, SERVED_TAG, json.dumps(settings, sort_keys=True))


def load_serving_settings(home: Home, name: str, version: str) -> dict[str, Any]:
    """What `save_serving_settings` stored; empty where there is nothing that can be read."""
    try:
        found = json.loads(tracking.client(home).get_model_version(name, version).tags.get(SERVED_TAG, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def registry_errors() -> tuple[type[Exception], ...]:
    """The errors that functions of this package raise where the registry does not answer, or refuses."""
    from mlflow import MlflowException

    return ModelError, MlflowException


def _version(item: Any, champion_version: str | None) -> RegisteredVersion:
    return RegisteredVersion(
        name=item.name,
        version=str(item.version),
        champion=str(item.version) == champion_version,
        weights_sha256=item.tags.get(WEIGHTS_TAG, ""),
        created=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        tags=dict(item.tags),
        description=item.description or "",
    )
