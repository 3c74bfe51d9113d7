"""The bundle of a registered version, brought to this machine and compared with what was registered."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from forebay import tracking
from forebay.contracts.bundles.digest import check_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import SPEC, check_weights
from forebay.errors import ModelError
from forebay.registry.champions import champion_history, champion_version
from forebay.registry.versions import RegisteredVersion, list_names, list_versions
from forebay.state import Home


class NoRollbackTargetError(ModelError):
    """No version to roll back to exists."""


@dataclass(frozen=True, kw_only=True)
class RegisteredBundle:
    """One registered version with its bundle on this machine."""

    name: str
    version: str
    folder: Path  # folder of the bundle: model.json and the weights
    uri: str  # address at which the registry keeps the bundle
    weights_sha256: str
    record: BundleRecord | None  # digests of its files; None for a version of an earlier Forebay
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    card: str = ""  # the model card, as Markdown

    @property
    def identity(self) -> str:
        """The digest that tells it from every other bundle: of all its files, or of its weights where that is all."""
        return self.record.digest if self.record else self.weights_sha256

    @property
    def note(self) -> str:
        """A warning for a person who uses the bundle; empty where there is nothing to warn of."""
        if self.record:
            return ""
        return (
            f"{self.name} version {self.version} was registered by an earlier Forebay, without a digest over all its "
            "files: only its weights are checked. Train and register it anew to have all of them checked."
        )


def resolve(home: Home, reference: str, *, check: bool = True) -> RegisteredBundle:
    """Find a version and bring its bundle to this machine.

    Args:
        reference: `NAME@ALIAS`, `NAME/VERSION`, or `NAME` for the champion (the newest version where none is yet).
        check: compare every file of the bundle with what was registered. Otherwise the caller has to.

    Raises:
        ModelError: no such name, alias or version exists (those that exist are listed), the bundle cannot be fetched,
            or it is not the one that was registered.
    """
    name, separator, which = _parse_reference(reference)
    versions = list_versions(home, name)
    if not versions:
        raise ModelError(
            f"There is no registered model {name!r}. Registered: {', '.join(list_names(home)) or 'none yet'}. "
            "`forebay run` registers one."
        )
    if separator == "@":
        wanted = _version_of_alias(home, name, which)
    elif separator == "/":
        wanted = which
    else:
        wanted = next((item.version for item in versions if item.champion), versions[0].version)
    version = next((item for item in versions if item.version == wanted), None)
    if version is None:
        listed = ", ".join(item.version for item in versions[:20])
        raise ModelError(f"{name} has no version {which!r}. Its versions, newest first: {listed}.")
    folder, uri = _find_bundle(home, version)
    found = RegisteredBundle(
        name=name, version=version.version, folder=folder, uri=uri, weights_sha256=version.weights_sha256,
        record=version.record, tags=version.tags, card=version.description,
    )  # fmt: skip
    if check:
        check_registered(home, found)
    return found


def check_registered(home: Home, found: RegisteredBundle) -> None:
    """Compare the files with what was registered; where a version has no digest of its files, only the weights.

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


def previous_champion(home: Home, name: str) -> RegisteredBundle:
    """The version to which a rollback goes: the previous champion that is still registered.

    Raises:
        NoRollbackTargetError: there is none.
        ModelError: its bundle cannot be fetched.
    """
    history = champion_history(tracking.client(home), name)
    registered = {item.version for item in list_versions(home, name)}
    for version in reversed(history[:-1]):
        if version in registered and version != history[-1]:
            return resolve(home, f"{name}/{version}")
    present = f"Only version {history[-1]} was ever champion" if history else "No version was ever champion"
    rest = ", of those that are still registered" if len(history) > 1 else ""
    raise NoRollbackTargetError(f"{name} has no champion to go back to. {present}{rest}.")


def _find_bundle(home: Home, version: RegisteredVersion) -> tuple[Path, str]:
    """The bundle inside the version's MLflow model, and its URI; it is fetched once where it is not on this disk."""
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


def _download(home: Home, uri: str, version: RegisteredVersion) -> Path:
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


def _parse_reference(reference: str) -> tuple[str, str, str]:
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


def _version_of_alias(home: Home, name: str, alias: str) -> str:
    aliases: dict[str, str] = tracking.client(home).get_registered_model(name).aliases
    if alias not in aliases:
        have = ", ".join(f"{key} (version {value})" for key, value in sorted(aliases.items())) or "none yet"
        raise ModelError(f"{name} has no alias {alias!r}. Its aliases: {have}.")
    return str(aliases[alias])
