"""Finds the model and the held-out rows of `forebay evaluate`."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay import registry
from forebay.contracts.bundles.spec import SPEC, ModelSpec, read_spec
from forebay.contracts.manifest import MANIFEST, DataManifest, SplitManifest
from forebay.contracts.rows import ROWS
from forebay.errors import ConfigError, DataError, ModelError
from forebay.local.runs.model_settings import prepared_like
from forebay.local.runs.steps import SettingValues, ingest_config, run_ingest, run_preprocess
from forebay.settings import AUTO
from forebay.settings.keys import Scalar
from forebay.state import Home, empty_folder, is_sealed


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """The bundle that is evaluated."""

    folder: Path
    spec: ModelSpec
    name: str  # registered name under which the gate compares
    version: str | None  # None for a bundle that is not from the registry


def find_model(home: Home, reference: str) -> EvaluatedModel:
    """Find the bundle folder or the registered version that `NAME`, `NAME@champion` or `NAME/3` names.

    Raises:
        ConfigError: the reference names nothing that can be loaded.
    """
    folder = Path(reference)
    try:
        if (folder / SPEC).is_file():
            spec = read_spec(folder)
            return EvaluatedModel(folder=folder, spec=spec, name=str(spec.data.get("name", AUTO)), version=None)
        if folder.is_dir():
            raise ConfigError(
                f"{folder} is a folder without {SPEC}: not a model bundle, as `forebay train` writes it. "
                f"A registered model of that name is {reference}@champion."
            )
        found = registry.resolve(home, reference)
        return EvaluatedModel(folder=found.folder, spec=read_spec(found.folder), name=found.name, version=found.version)
    except ModelError as error:
        raise ConfigError(str(error)) from error


def is_step_output(data: str) -> bool:
    """Whether a path is an output folder of ingest or preprocess, and not a source of images."""
    return (Path(data) / MANIFEST).is_file()


def read_ingest_output(folder: Path) -> DataManifest:
    """The manifest of a complete ingest output folder.

    Raises:
        ConfigError: the folder is not such a folder, or ingest did not finish.
    """
    try:
        manifest = DataManifest.read(folder)
    except DataError as error:
        raise ConfigError(f"{folder} is not what `forebay ingest` wrote: {error}") from error
    if not is_sealed(folder):
        raise ConfigError(
            f"{folder} is incomplete: the ingest did not end, or files are missing or changed. Run it again."
        )
    return manifest


def evaluation_settings(model: EvaluatedModel, given: SettingValues) -> dict[str, Scalar]:
    """Settings that prepare images and hold out rows as the model's training did; given settings win."""
    return prepared_like(model.spec) | {"evaluate.name": model.name} | dict(given)


@contextlib.contextmanager
def held_out_shards(data: str, work: Path, values: SettingValues) -> Iterator[Path]:
    """Prepare the data as preprocess does, calling only the steps that are missing.

    Args:
        data: an output folder of preprocess or ingest, or a source of images.
        work: folder to which the steps write; emptied before and removed after.
    """
    folder = Path(data)
    if is_step_output(data) and not (folder / ROWS).is_dir():
        yield folder
        return
    empty_folder(work)
    try:
        if not is_step_output(data):
            folder = work / "rows"
            run_ingest(folder, ingest_config(values))
        run_preprocess(folder, work / "shards", values)
        yield work / "shards"
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_data(data: str, values: SettingValues) -> None:
    """Refuse wrong data before a step begins.

    Raises:
        ConfigError: there is no data, or the folder is incomplete.
    """
    folder = Path(data)
    if not is_step_output(data):
        ingest_config(values)
    elif (folder / ROWS).is_dir():
        read_ingest_output(folder)
    else:
        try:
            SplitManifest.read(folder)
        except DataError as error:
            raise ConfigError(str(error)) from error
