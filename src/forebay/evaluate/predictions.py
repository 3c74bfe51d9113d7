"""The rows that evaluate writes: every prediction, and some for deploy's smoke test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.contracts.evaluation import PREDICTIONS, write_smoke
from forebay.contracts.shards import DatasetSplit
from forebay.state.machine_errors import add_file_name

SMOKE_ROWS = 1000  # deploy.smoke_rows may ask for no more
SMOKE_BYTES = 33_554_432  # with large images, fewer rows are written


def write_predictions(
    folder: Path, test: DatasetSplit, probabilities: NDArray[np.float32], classes: Sequence[str]
) -> None:
    """Write `predictions.parquet`: N rows in the order of the split.

    Columns: `source` (null where the shards do not tell), `sha256`, `label` and `predicted` (int32, class numbers),
    `label_name` and `predicted_name` (the classes), `probabilities` (K float32 in the order of the classes).
    """
    labels = test.labels.astype(np.int32)
    predicted = probabilities.argmax(axis=1).astype(np.int32)
    names = pa.array(classes, pa.string())
    table = pa.table(
        {
            "source": pa.array(test.sources, pa.string()) if test.sources else pa.nulls(len(test), pa.string()),
            "sha256": pa.array([digest.tobytes().hex() for digest in test.sha256]),
            "label": pa.array(labels),
            "label_name": pa.DictionaryArray.from_arrays(pa.array(labels), names),
            "predicted": pa.array(predicted),
            "predicted_name": pa.DictionaryArray.from_arrays(pa.array(predicted), names),
            "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), probabilities.shape[1]),
        }
    )
    with add_file_name(folder / PREDICTIONS):
        pq.write_table(table, folder / PREDICTIONS)


def write_smoke_rows(folder: Path, test: DatasetSplit, probabilities: NDArray[np.float32]) -> None:
    """Write the first rows for deploy's smoke test, with their answers."""
    rows = max(1, min(SMOKE_ROWS, SMOKE_BYTES // test.images_NHWC(0, 1).size))
    write_smoke(folder, test.images_NHWC(0, rows), probabilities[:rows])
