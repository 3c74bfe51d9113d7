"""A folder of bundles by KServe's convention: it is a bundle, or holds one per sub-folder."""

import os
from pathlib import Path

from forebay.contracts.bundles.spec import SPEC, read_unverified_spec
from forebay.errors import ConfigError, ModelError
from forebay.serving.state import DesiredModel
from forebay.text import find_control

UNKNOWN_VERSION = "unknown"  # shown for a bundle whose spec cannot be read
VERSION_DIGITS = 12  # where no version is given, this many digits of the weights' sha256 are shown


def find_bundles(
    folder: Path, name: str | None = None, version: str | None = None, digest: str = ""
) -> dict[str, DesiredModel]:
    """The bundles of a folder, by the names under which they are served.

    Whether they can be loaded is not checked here, so that one that cannot be hides no other.

    Args:
        folder: usually /mnt/models.
        name: to serve a single bundle under; default the name of its dataset. Sub-folders give their own names.
        version: to show; default the first 12 digits of the weights' sha256.
        digest: registered digest of a single bundle.

    Raises:
        ConfigError: there is no bundle, it may not be read, or an option for one bundle was given for several.
        ModelError: the folder should be a bundle and its spec cannot be read.
    """
    try:
        models = _find_bundles(folder, name, version, digest)
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename or folder} may not be read by uid {os.getuid()} with group {os.getgid()}, which this "
            "server runs as. Let it read the folder and all in it (`chmod -R a+rX`), or run it as the owner "
            "(`docker run --user UID:0`)."
        ) from error
    _check_names(models)
    return models


def _find_bundles(folder: Path, name: str | None, version: str | None, digest: str) -> dict[str, DesiredModel]:
    if os.path.lexists(folder / SPEC):
        spec = read_unverified_spec(folder)
        model = _desired_model(folder, version, spec.weights_sha256, digest)
        return {name or str(spec.data.get("name") or folder.name): model}
    entries = sorted(folder.iterdir()) if folder.is_dir() else []  # unlike glob, it says that a folder may not be read
    bundles = [path for path in entries if os.path.lexists(path / SPEC)]
    if not bundles:
        raise ConfigError(
            f"{folder} holds no model bundle: neither {SPEC} nor a sub-folder with one. Give the folder that train "
            "wrote, or mount it there."
        )
    for option, value in (("--model-name", name), ("--bundle-digest", digest)):
        if value and len(bundles) > 1:
            raise ConfigError(f"{option} {value} was given for {len(bundles)} bundles in {folder}. Leave it out.")
    return {name or path.name: _desired_model(path, version, _weights_sha256(path), digest) for path in bundles}


def _weights_sha256(bundle: Path) -> str:
    try:
        return read_unverified_spec(bundle).weights_sha256
    except ModelError:  # loading it reports the same
        return ""


def _desired_model(folder: Path, version: str | None, weights_sha256: str, digest: str) -> DesiredModel:
    version = version or weights_sha256[:VERSION_DIGITS] or UNKNOWN_VERSION
    return DesiredModel(bundle=str(folder), version=version, weights_sha256=weights_sha256, digest=digest)


def _check_names(models: dict[str, DesiredModel]) -> None:
    for name, model in models.items():
        forbidden = find_control(name + model.version)
        if forbidden:
            raise ConfigError(f"A model cannot be called {name!r} (version {model.version!r}): it holds {forbidden}.")
