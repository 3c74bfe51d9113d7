"""Predicts the images of one decoded part, and leaves the answers as a file: the part is done when that is there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.errors import DataError
from forebay.serving.batch.model import BatchModel
from forebay.serving.batch.result_files import ResultFiles
from forebay.serving.batch.tables import QUARANTINE_SCHEMA, prediction_schema, prediction_table
from forebay.serving.protocol.unlike_images import OriginalImage, UnlikeImages
from forebay.text import count_noun

PREDICTED, QUARANTINED = "predicted", "quarantined"  # folders of the work folder, with a file per part


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """What became of the images of some parts."""

    rows: int  # predicted
    quarantined: Counter[str]  # by reason

    @property
    def images(self) -> int:
        """All of them."""
        return self.rows + self.quarantined.total()


@dataclass(frozen=True, kw_only=True)
class PartPredictor:
    """Predicts parts with one model, into one work folder."""

    model: BatchModel
    work: Path
    top: int
    probabilities: bool

    def __post_init__(self) -> None:
        for name in (PREDICTED, QUARANTINED):
            (self.work / name).mkdir(parents=True, exist_ok=True)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the predictions."""
        return prediction_schema(self.model, probabilities=self.probabilities)

    def done(self, part: int) -> PartResult | None:
        """What became of a part that is done, else None."""
        path = self._path(PREDICTED, part)
        if not path.is_file():
            return None
        bad = self._path(QUARANTINED, part)
        reasons = pq.read_table(bad, columns=["reason"])["reason"].to_pylist() if bad.is_file() else []
        return PartResult(rows=pq.read_metadata(path).num_rows, quarantined=Counter(reasons))

    def predict(self, decoded: Path, part: int) -> PartResult:
        """Predict a part.

        Args:
            decoded: its file, as `contracts.decoded_images` says.
            part: its number.
        """
        with pq.ParquetFile(decoded) as file:
            tables = [self._predict_rows(file.read_row_group(group)) for group in range(file.num_row_groups)]
        good = pa.concat_tables([self.schema.empty_table(), *(each for each, _ in tables)])
        bad = pa.concat_tables([QUARANTINE_SCHEMA.empty_table(), *(each for _, each in tables)])
        if len(bad):
            self._write(QUARANTINED, part, bad)
        self._write(PREDICTED, part, good)  # last: with it the part is done
        return PartResult(rows=len(good), quarantined=Counter(bad["reason"].to_pylist()))

    def tables(self, folder: str, part: int) -> Iterator[pa.Table]:
        """The table of a part that is done; none where no image is quarantined."""
        path = self._path(folder, part)
        if path.is_file():
            yield pq.read_table(path)

    def _predict_rows(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        usable = pc.is_null(table["reason"])
        bad = table.filter(pc.invert(usable)).select(QUARANTINE_SCHEMA.names).cast(QUARANTINE_SCHEMA)
        images = table.filter(usable)
        if len(images) == 0:
            return self.schema.empty_table(), bad
        spec = self.model.classifier.spec
        pixels = np.frombuffer(b"".join(images["pixels"].to_pylist()), np.uint8)
        images_NHWC = pixels.reshape(len(images), spec.height, spec.width, spec.channels)
        columns = (images[name].to_pylist() for name in OriginalImage._fields)
        originals = [OriginalImage(*values) for values in zip(*columns, strict=True)]
        warnings = UnlikeImages(spec).warnings(images_NHWC, originals) or [()] * len(images)
        probabilities_NK = self.model.classifier.predict(images_NHWC)
        return prediction_table(images, probabilities_NK, warnings, self.schema, self.model, self.top), bad

    def _write(self, folder: str, part: int, table: pa.Table) -> None:
        path = self._path(folder, part)
        temporary = path.with_suffix(".tmp")
        pq.write_table(table, temporary)
        temporary.replace(path)

    def _path(self, folder: str, part: int) -> Path:
        return self.work / folder / f"part-{part:05d}.parquet"


def total(results: Iterable[PartResult]) -> PartResult:
    """What became of the images of several parts."""
    quarantined: Counter[str] = Counter()
    rows = 0
    for result in results:
        rows += result.rows
        quarantined.update(result.quarantined)
    return PartResult(rows=rows, quarantined=quarantined)


def check_any(result: PartResult, source: str, predictor: PartPredictor, parts: Iterable[int]) -> None:
    """Refuse sources of which no image can be used.

    Raises:
        DataError: says what is wrong with the first one.
    """
    if result.rows:
        return
    first = next(table for part in parts for table in predictor.tables(QUARANTINED, part)).slice(0, 1).to_pylist()[0]
    raise DataError(
        source=source,
        problem=f"none of {count_noun(result.images, 'image')} can be used. The first: {first['source']}: "
        f"{first['detail']}",
        fix="Give images that an image viewer opens; nothing was written.",
    )


def write_result(predictor: PartPredictor, files: ResultFiles, parts: Sequence[int]) -> None:
    """Write the two tables from the parts, the predictions last: with them the batch is done."""

    def tables(folder: str) -> Iterator[pa.Table]:
        return (table for part in parts for table in predictor.tables(folder, part))

    files.write_quarantine(tables(QUARANTINED))
    files.write(tables(PREDICTED), predictor.schema, predictor.model.classes)
