"""The last step of the batch pipeline: the model's answers for the images that the decode step left."""

import shutil
from pathlib import Path

from forebay.contracts.decoded_images import DECODED
from forebay.errors import DataError
from forebay.object_store import ObjectFolder
from forebay.serving.batch.fetch_model import fetched_model
from forebay.serving.batch.model import BatchModel
from forebay.serving.batch.parts import PartPredictor, PartResult, check_any, total, write_result
from forebay.serving.batch.result_files import ResultFiles
from forebay.settings import BatchConfig
from forebay.settings.batch import FORMATS
from forebay.state import StepLog, empty_folder, seal
from forebay.state.sealed import EVERYTHING, check_content


def predict_decoded(images: Path, model: Path, out: Path, config: BatchConfig, log: StepLog) -> PartResult:
    """Predict decoded images, and write the tables into the artifact folder `out`.

    Args:
        images: the artifact of the decode step.
        model: the artifact of `fetch_model`.
        out: receives `predictions.parquet` (or `.csv`), `predictions.quarantine.parquet` and the completion marker.
        config: how many classes are listed, and where else the tables go.
        log: the step's log.

    Raises:
        DamagedArtifactError: a file of the images is not what the decode step wrote.
        DataError: none of the images can be used, or the store does not take the tables.
        ModelError: the bundle cannot be loaded.
    """
    check_content(images, "decode", [EVERYTHING])
    name, desired = fetched_model(model)
    decoded = sorted((images / DECODED).glob("*.parquet"))
    empty_folder(out)
    files = ResultFiles(out / f"predictions{Path(config.out or FORMATS[0]).suffix or FORMATS[0]}")
    predictor = PartPredictor(
        model=BatchModel.load(name, desired.version, desired),
        work=files.work,
        top=config.top,
        probabilities=config.probabilities,
    )
    results = []
    for part, path in enumerate(decoded):
        results.append(predictor.predict(path, part))
        log.progress(part + 1, len(decoded), "parts")
    found = total(results)
    check_any(found, str(images), predictor, range(len(decoded)))
    write_result(predictor, files, range(len(decoded)))
    shutil.rmtree(files.work)
    if config.out:
        _upload(files, config.out)
    seal(out)
    facts = {"rows": found.rows, "quarantined": dict(sorted(found.quarantined.items())), "out": config.out or str(out)}
    log.result(predictions=facts)
    return found


def _upload(files: ResultFiles, uri: str) -> None:
    """Copy the tables into the store, the predictions last."""
    place, _, name = uri.rpartition("/")
    folder = ObjectFolder.parse(place, "batch.out")
    stored = ResultFiles(Path(name))
    try:
        if files.quarantine.exists():
            folder.upload(files.quarantine, stored.quarantine.name)
        else:
            folder.delete(stored.quarantine.name)
        folder.upload(files.predictions, name)
    except OSError as error:
        raise DataError(
            source=uri, problem=f"the store does not take it: {error}", fix="Correct batch.out, and run again."
        ) from error
