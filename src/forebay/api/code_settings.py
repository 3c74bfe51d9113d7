"""The settings that hold the text of a file of the user's: the command line fills them in, so that the text travels."""

from dataclasses import replace
from pathlib import Path

from forebay.ingest.own.paths import with_absolute_paths
from forebay.settings.keys import Scalar
from forebay.settings.own_model import PACKAGE_CODE, own_model
from forebay.settings.own_source import parse_own_source
from forebay.user_code import MODELS_GROUP, CodeReference, encode_code, package_identity, read_code
from forebay.user_code.identity import NOT_INSTALLED


def fill_in_code(values: dict[str, Scalar]) -> dict[str, Scalar]:
    """Settings with the text of the user's files beside their names.

    Steps run in other folders and on other machines. So a file is known to them by its name and its text, and options
    that name files of this machine name them in full.

    Args:
        values: checked settings by key.

    Raises:
        ConfigError: a file cannot be read, or is no Python.
    """
    return _with_model_code(_with_source_code(values))


def _with_model_code(values: dict[str, Scalar]) -> dict[str, Scalar]:
    """The text of the file, or a digest of the package: the cached result of a step belongs to one of them."""
    reference, given = own_model(str(values.get("train.model", ""))), str(values.get("train.model_code", ""))
    if reference is None:
        return values
    if reference.file:
        name = str(file_name_only(reference))
        return values | {"train.model": name, "train.model_code": _text(reference, given)}
    identity = package_identity(reference, MODELS_GROUP)
    if given or identity == NOT_INSTALLED:  # then only the container image has the package
        return values
    return values | {"train.model_code": f"{PACKAGE_CODE}{identity}"}


def _with_source_code(values: dict[str, Scalar]) -> dict[str, Scalar]:
    data = str(values.get("ingest.data", ""))
    own = parse_own_source(data)
    if own is None:
        return values
    if own.reference.module and Path(data).exists():  # a folder may be called so: photos:old
        return values | {"ingest.data": str(Path(data).absolute())}
    own = with_absolute_paths(own)
    text = _text(own.reference, str(values.get("ingest.source_code", "")))
    own = replace(own, reference=file_name_only(own.reference))
    return values | {"ingest.data": str(own), **({"ingest.source_code": text} if text else {})}


def _text(reference: CodeReference, given: str) -> str:
    """The setting for the text of a file; one that was given stays."""
    return given if given or not reference.file else encode_code(read_code(reference.file))


def file_name_only(reference: CodeReference) -> CodeReference:
    """The reference without the folder of its file, so that equal texts from two folders are one."""
    return replace(reference, file=Path(reference.file).name) if reference.file else reference
