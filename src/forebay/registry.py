"""Registered model versions: which there are, which is champion, and the folder of each one's bundle."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from forebay import tracking
from forebay.contracts.bundles.digest import check_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import SPEC, check_weights
from forebay.errors import ModelError
from forebay.state import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS_TAG = "forebay.weights_sha256"
DIGEST_TAG = "forebay.bundle_digest"  # over every file of the bundle: `contracts.bundles.digest`
FILES_TAG = "forebay.bundle_files"  # the list that it is the digest of, to name the file that differs
DATA_TAG = "forebay.data_digest"
SERVED_TAG = "forebay.served"  # of a version: the settings with which a cluster served it when it was proved, as JSON
CHAMPIONS_TAG = "forebay.champions"  # of the registered model: versions in the order they became champion
LONGEST_TAG = 5000  # characters that every MLflow takes; a bundle's list of files has some hundred
REMEMBERED = 100  # champions; MLflow cuts long tags


class RollbackTargetError(ModelError):
    """There is no version to go back to, or not here."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One registered version as the registry records it."""

    name: str
    version: str
    champion: bool
    weights_sha256: str
    created: str  # ISO 8601, UTC
    tags: dict[str, str]

    @property
    def record(self) -> BundleRecord | None:
        """Of every file of its bundle; None where the version is older than that."""
        digest = self.tags.get(DIGEST_TAG, "")
        return BundleRecord(digest=digest, files=self.tags.get(FILES_TAG, "")) if digest else None


@dataclass(frozen=True, kw_only=True)
class RegisteredBundle:
    """One registered version with its bundle on this machine."""

    name: str
    version: str
    folder: Path  # of the bundle: model.json and the weights
    uri: str  # of the same where the registry keeps it
    weights_sha256: str
    record: BundleRecord | None  # of every file; None for a version from before there was one

    @property
    def note(self) -> str:
        """What a person should know who uses it; empty where there is nothing."""
        if self.record:
            return ""
        return (
            f"{self.name} version {self.version} was registered by an earlier Forebay, without a digest over all its "
            "files: only its weights are checked. Train and register it anew to have all of them checked."
        )


def list_versions(home: Home, name: str) -> list[Version]:
    """Every version of a registered model, newest first; empty where there is none."""
    if not tracking.is_used(home):
        return []
    client = tracking.client(home)
    alias = _champion_version(client, name)
    found = _all(client.search_model_versions, f"name = '{_quoted(name)}'")
    versions = [_version(item, alias) for item in found]
    return sorted(versions, key=lambda item: int(item.version), reverse=True)


def list_names(home: Home) -> list[str]:
    """Every registered model's name, sorted."""
    if not tracking.is_used(home):
        return []
    return sorted(model.name for model in _all(tracking.client(home).search_registered_models))


def resolve(home: Home, reference: str, *, check: bool = True) -> RegisteredBundle:
    """Find a version and bring its bundle to this machine.

    Args:
        reference: `NAME@ALIAS`, `NAME/VERSION`, or `NAME` for the champion (the newest version where none is yet).
        check: compare every file of the bundle with what was registered; else whoever uses it does.

    Raises:
        ModelError: no such name, alias or version (what there is, is listed), or the bundle cannot be fetched, or it
            is not the one that was registered.
    """
    name, separator, which = _parts(reference)
    versions = list_versions(home, name)
    if not versions:
        raise ModelError(
            f"There is no registered model {name!r}. Registered: {', '.join(list_names(home)) or 'none yet'}. "
            "`forebay run` registers one."
        )
    if separator == "@":
        wanted = _aliased(home, name, which)
    elif separator == "/":
        wanted = which
    else:
        wanted = next((item.version for item in versions if item.champion), versions[0].version)
    version = next((item for item in versions if item.version == wanted), None)
    if version is None:
        listed = ", ".join(item.version for item in versions[:20])
        raise ModelError(f"{name} has no version {which!r}. Its versions, newest first: {listed}.")
    folder, uri = _bundle(home, version)
    found = RegisteredBundle(
        name=name, version=version.version, folder=folder, uri=uri, weights_sha256=version.weights_sha256,
        record=version.record,
    )  # fmt: skip
    if check:
        check_registered(home, found)
    return found


def check_registered(home: Home, found: RegisteredBundle) -> None:
    """Compare the files with what was registered; of a version from before there was a digest, the weights.

    Raises:
        ModelError: they differ; the message names the file.
    """
    try:
        if found.record:
            check_bundle(found.folder, found.record)
        elif found.weights_sha256:
            check_weights(found.folder, found.weights_sha256)
    except ModelError as error:
        copy = next((each for each in home.downloads.glob("*") if found.folder.is_relative_to(each)), None)
        again = f" This is a copy of {found.uri}: remove {copy}, and it is fetched again." if copy else ""
        raise ModelError(f"{found.name} version {found.version} is refused: {error}{again}") from error


def champion(home: Home, name: str, *, check: bool = True) -> RegisteredBundle | None:
    """The version that carries the alias `champion`, or None where there is none yet; see `resolve`."""
    version = champion_version(home, name)
    return None if version is None else resolve(home, f"{name}/{version}", check=check)


def champion_version(home: Home, name: str) -> str | None:
    """The number of the version that carries the alias `champion`, or None where there is none yet."""
    return _champion_version(tracking.client(home), name) if tracking.is_used(home) else None


def record_tags(record: BundleRecord) -> dict[str, str]:
    """The tags that carry a bundle's record; a list of files that is too long for one is left out."""
    short = len(record.files) <= LONGEST_TAG
    return {DIGEST_TAG: record.digest, **({FILES_TAG: record.files} if short else {})}


def remember_served(home: Home, name: str, version: str, settings: Mapping[str, object]) -> None:
    """Keep with a version how it is served, so that it can be served that way again."""
    tracking.client(home).set_model_version_tag(name, version, SERVED_TAG, json.dumps(settings, sort_keys=True))


def remembered_served(home: Home, name: str, version: str) -> dict[str, Any]:
    """What `remember_served` kept; empty where nothing readable is there."""
    try:
        found = json.loads(tracking.client(home).get_model_version(name, version).tags.get(SERVED_TAG, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def failures() -> tuple[type[Exception], ...]:
    """What the functions here raise where the registry does not answer, or refuses."""
    from mlflow import MlflowException

    return ModelError, MlflowException


def set_champion(home: Home, name: str, version: str, *, back: bool = False) -> None:
    """Move the alias `champion`; nothing changes where the version carries it already.

    Args:
        back: forget the present champion instead of remembering it, so that the next rollback goes one further.
    """
    client = tracking.client(home)
    history = _champions(client, name)
    if history and history[-1] == version:
        return
    if back:
        history = history[: _last(history, version) + 1] or [version]
        client.set_registered_model_alias(name, tracking.CHAMPION, version)
        client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join(history))
    else:  # the alias is what counts, so it comes last; `_champions` cuts a longer history back to it after a kill
        client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join([*history, version][-REMEMBERED:]))
        client.set_registered_model_alias(name, tracking.CHAMPION, version)


def previous_champion(home: Home, name: str) -> RegisteredBundle:
    """The version that was champion before the present one: where a rollback goes. Deleted ones are passed over.

    Raises:
        RollbackTargetError: there was none, or it is no longer registered.
        ModelError: its bundle cannot be fetched.
    """
    history = _champions(tracking.client(home), name)
    registered = {item.version for item in list_versions(home, name)}
    for version in reversed(history[:-1]):
        if version in registered and version != history[-1]:
            return resolve(home, f"{name}/{version}")
    present = f"Only version {history[-1]} was ever champion" if history else "No version was ever champion"
    rest = ", of those that are still registered" if len(history) > 1 else ""
    raise RollbackTargetError(f"{name} has no champion to go back to. {present}{rest}.")


def find_versions(client: "MlflowClient", name: str, weights_sha256: str) -> list[str]:
    """The versions that hold these very weights, newest first."""
    found = client.search_model_versions(f"name = '{_quoted(name)}' and tags.`{WEIGHTS_TAG}` = '{weights_sha256}'")
    return sorted((str(item.version) for item in found), key=int, reverse=True)


def _all(search: Callable[..., Any], *filters: str) -> list[Any]:
    """What a search finds, page after page: MLflow gives a hundred names at once."""
    found, token = [], None
    while True:
        page = search(*filters, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _parts(reference: str) -> tuple[str, str, str]:
    for separator in ("@", "/"):
        name, found, which = reference.partition(separator)
        if found:
            if not name or not which:
                break
            return name, separator, which
    else:
        if reference:
            return reference, "", ""
    raise ModelError(
        f"{reference!r} does not name a model. Write NAME, NAME@champion or NAME/3, or the folder of a bundle, which "
        "holds model.json."
    )


def _aliased(home: Home, name: str, alias: str) -> str:
    aliases: dict[str, str] = tracking.client(home).get_registered_model(name).aliases
    if alias not in aliases:
        have = ", ".join(f"{key} (version {value})" for key, value in sorted(aliases.items())) or "none yet"
        raise ModelError(f"{name} has no alias {alias!r}. Its aliases: {have}.")
    return str(aliases[alias])


def _champion_version(client: "MlflowClient", name: str) -> str | None:
    models = client.search_registered_models(f"name = '{_quoted(name)}'")
    version = models[0].aliases.get(tracking.CHAMPION) if models else None
    return None if version is None else str(version)


def _champions(client: "MlflowClient", name: str) -> list[str]:
    """Versions in the order they became champion, the last one being it now."""
    present = _champion_version(client, name)
    if present is None:
        return []
    tag: str = client.get_registered_model(name).tags.get(CHAMPIONS_TAG, "")
    history = [version for version in tag.split(",") if version]
    return history[: _last(history, present) + 1] or [present]


def _last(history: list[str], version: str) -> int:
    """Where a version stands last, or -1."""
    return max((place for place, item in enumerate(history) if item == version), default=-1)


def _version(item: Any, champion_version: str | None) -> Version:
    return Version(
        name=item.name,
        version=str(item.version),
        champion=str(item.version) == champion_version,
        weights_sha256=item.tags.get(WEIGHTS_TAG, ""),
        created=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        tags=dict(item.tags),
    )


def _bundle(home: Home, version: Version) -> tuple[Path, str]:
    """The bundle inside the version's MLflow model, fetched once where it is not on this disk, and its URI."""
    client = tracking.client(home)
    uri = client.get_model_version_download_uri(version.name, version.version)
    parts = urlsplit(uri)
    local = Path(unquote(parts.path)) if parts.scheme in ("", "file") else _download(home, uri, version)
    bundle = next(iter(sorted(local.glob(f"data/*/{SPEC}"))), None)
    if bundle is None:
        raise ModelError(
            f"{version.name} version {version.version}: no model bundle in {uri}. "
            "Its files were removed or another tool registered it; register the model again with `forebay run --fresh`."
        )
    return bundle.parent, f"{uri.rstrip('/')}/{bundle.parent.relative_to(local).as_posix()}"


def _download(home: Home, uri: str, version: Version) -> Path:
    import mlflow

    identity = version.record.digest if version.record else version.weights_sha256
    target = home.downloads / f"{version.name}-{version.version}-{identity[:12]}"
    if target.is_dir():
        return target
    home.downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=home.downloads) as temporary:
        try:
            mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=temporary, tracking_uri=tracking.tracking_uri(home)
            )
        except (mlflow.MlflowException, OSError) as error:
            raise ModelError(
                f"{version.name} version {version.version} cannot be fetched from {uri}: "
                f"{' '.join(str(error).split())}. "
                "Check that the artifact store answers and that its credentials are in the environment."
            ) from error
        # the model lies in the destination or in a folder of it, depending on the store
        found = next(Path(temporary).rglob("MLmodel"), Path(temporary) / "none").parent
        return found.replace(target)


def _quoted(name: str) -> str:
    """A name inside a quoted filter word; names with quotes are never registered by us."""
    return name.replace("'", "")
