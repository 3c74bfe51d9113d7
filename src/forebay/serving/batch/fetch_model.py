"""The first step of the batch pipeline: the model's bundle from the registry, and what its images are brought to."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from forebay.errors import ModelError
from forebay.registry import RegisteredBundle
from forebay.serving.batch.bundle_format import bundle_format
from forebay.serving.state import DesiredModel
from forebay.settings import BatchConfig
from forebay.signing import verify_if_required
from forebay.state import StepLog, empty_folder, read_object, write_json

FindBundle = Callable[[str, StepLog], RegisteredBundle]

BUNDLE, REFERENCE = "bundle", "reference.json"  # in the artifact
MEND = "Run the pipeline again."


def fetch_model(out: Path, reference: str, log: StepLog, find: FindBundle) -> str:
    """Bring a registered model into the artifact folder `out`.

    Args:
        out: receives `bundle/` and `reference.json`: name, version and digests.
        reference: `NAME`, `NAME@champion` or `NAME/3`.
        log: the step's log.
        find: asks the registry for a reference.

    Returns:
        What its images are brought to, `ImageFormat` as text.

    Raises:
        ConfigError: the reference is empty.
        ModelError: it names nothing, a file is not the one that was registered, or it is not signed as
            `FOREBAY_VERIFY_KEY` requires.
    """
    found = find(BatchConfig(model=reference).model, log)
    if found.note:
        log.warn(found.note)
    verify_if_required(found.folder)  # here, where the container image holds what verifies
    empty_folder(out)
    shutil.copytree(found.folder, out / BUNDLE)
    desired = DesiredModel.from_record(out / BUNDLE, found.version, found.weights_sha256, found.record)
    write_json(out / REFERENCE, {"name": found.name, "model": {**asdict(desired), "bundle": BUNDLE}})
    log.result(model={"name": found.name, "version": found.version, "weights_sha256": found.weights_sha256})
    return bundle_format(out / BUNDLE).text


def fetched_model(folder: Path) -> tuple[str, DesiredModel]:
    """The name and the bundle that `fetch_model` left in a folder.

    Raises:
        DamagedFileError: the reference is damaged.
        ModelError: it has other fields.
    """
    facts = read_object(folder / REFERENCE, lost="which model predicts", mend=MEND)
    try:
        return str(facts["name"]), DesiredModel(**{**facts["model"], "bundle": str(folder / BUNDLE)})
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder / REFERENCE} is no reference of a model ({error}). {MEND}") from error
