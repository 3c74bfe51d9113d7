"""Which model and which rows `forebay evaluate` means."""

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
from forebay.local.runs.steps import Values, ingest_config, run_ingest, run_preprocess
from forebay.settings import AUTO
from forebay.settings.keys import Scalar
from forebay.state import Home, empty_folder, is_sealed


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """A bundle on this machine."""

    folder: Path
    spec: ModelSpec
    name: str  # registered name that the gate compares under
    version: str | None  # None for a bundle that is not taken from the registry


def find_model(home: Home, reference: str) -> FoundModel:
    """Find a bundle folder, or the version that `NAME`, `NAME@champion` or `NAME/3` names.

    Raises:
        ConfigError: it names nothing, or nothing that can be loaded.
    """
    folder = Path(reference)
    try:
        if (folder / SPEC).is_file():
            spec = read_spec(folder)
            return FoundModel(folder=folder, spec=spec, name=str(spec.data.get("name", AUTO)), version=None)
        if folder.is_dir():
            raise ConfigError(
                f"{folder} is a folder without {SPEC}: not a model bundle, as `forebay train` writes it. "
                f"A registered model of that name is {reference}@champion."
            )
        found = registry.resolve(home, reference)
        return FoundModel(folder=found.folder, spec=read_spec(found.folder), name=found.name, version=found.version)
    except ModelError as error:
        raise ConfigError(str(error)) from error


def is_prepared(data: str) -> bool:
    """Tell an output folder of ingest or preprocess from a source of images."""
    return (Path(data) / MANIFEST).is_file()


def read_ingest_output(folder: Path) -> DataManifest:
    """The manifest of a complete ingest output folder.

    Raises:
        ConfigError: it is none, or ingest did not end.
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


def evaluation_values(model: FoundModel, given: Values) -> dict[str, Scalar]:
    """Settings that prepare images as the model's training did and hold out the same rows; given ones win."""
    spec, data = model.spec, model.spec.data
    own: dict[str, Scalar] = {
        "ingest.size": f"{spec.height}x{spec.width}",
        "ingest.channels": str(spec.channels),
        "ingest.fit": spec.fit,
        "ingest.bits": str(spec.bits),
        "evaluate.name": model.name,
    }
    own |= {f"preprocess.{key}": float(data[key]) for key in ("holdout", "validation") if key in data}
    if data.get("split_kind") == "hash":  # else auto, which takes the source's own split where it has one
        own["preprocess.split"] = "hash"
    return own | dict(given)


@contextlib.contextmanager
def held_out_shards(data: str, work: Path, values: Values) -> Iterator[Path]:
    """Bring the data to preprocess's output form, calling only the steps that are missing.

    Args:
        data: output folder of preprocess or ingest, or a source of images.
        work: receives what the steps write; emptied before and removed after.
    """
    folder = Path(data)
    if is_prepared(data) and not (folder / ROWS).is_dir():
        yield folder
        return
    empty_folder(work)
    try:
        if not is_prepared(data):
            folder = work / "rows"
            run_ingest(folder, ingest_config(values))
        run_preprocess(folder, work / "shards", values)
        yield work / "shards"
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_data(data: str, values: Values) -> None:
    """Find wrong data out before a step begins.

    Raises:
        ConfigError: there is nothing, or an incomplete folder.
    """
    folder = Path(data)
    if not is_prepared(data):
        ingest_config(values)
    elif (folder / ROWS).is_dir():
        read_ingest_output(folder)
    else:
        try:
            SplitManifest.read(folder)
        except DataError as error:
            raise ConfigError(str(error)) from error
