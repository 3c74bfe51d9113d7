"""Parquet as others write it, through the whole step on a real Spark session."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from forebay.contracts.manifest import DataManifest
from forebay.state import StepLog
from forebay.state.events import read_events
from support.small_images import CLASSES, draw, write_folder

Ingest = Callable[..., DataManifest]


def png(kind: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw(kind, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def rows_of(out: Path) -> dict[str, dict[str, Any]]:
    return {row["source"]: row for row in pq.read_table(out / "rows").to_pylist()}


def test_a_dataset_of_the_hub_keeps_split_class_names_and_pixels(run_ingest: Ingest, tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for split, count, first in (("train", 24, 0), ("test", 12, 100)):
        images = [{"bytes": png(CLASSES[row % 2], first + row), "path": f"{row}.png"} for row in range(count)]
        table = pa.table({"image": images, "label": [row % 2 for row in range(count)]})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet", row_group_size=5)
    manifest = run_ingest(tmp_path / "hub", tmp_path / "out")
    assert (manifest.kind, manifest.splits, manifest.warnings) == ("parquet", {"train": 24, "test": 12}, [])
    assert manifest.class_rows == {"cross": 18, "ring": 18}
    rows = rows_of(tmp_path / "out")
    for row in range(12):
        read = rows[f"data/test-00000-of-00001.parquet#{row:08d}"]
        assert (read["label_name"], read["split"]) == (CLASSES[row % 2], "test")
        assert read["pixels"] == draw(CLASSES[row % 2], 100 + row).tobytes()


def test_folders_of_label_and_split_are_read(run_ingest: Ingest, tmp_path: Path) -> None:
    for split, count, first in (("train", 10, 0), ("validation", 6, 50)):
        for kind in CLASSES:
            folder = tmp_path / "table" / f"split={split}" / f"label={kind}"
            folder.mkdir(parents=True)
            pq.write_table(pa.table({"image": [png(kind, first + row) for row in range(count)]}), folder / "0.parquet")
    manifest = run_ingest(tmp_path / "table", tmp_path / "out")
    assert (manifest.splits, manifest.class_rows) == ({"train": 20, "test": 12}, {"cross": 16, "ring": 16})


def test_columns_as_set_and_a_split_column_reach_every_task(run_ingest: Ingest, tmp_path: Path) -> None:
    """`image` and `label` are there as well: a task that did not know the settings would read those."""
    colour = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    scans = [
        {"origin": "", "height": 4, "width": 4, "nChannels": 3, "mode": 16, "data": bgr.tobytes()}
        for bgr in colour[..., ::-1]
    ]
    scan_type = pa.struct(
        [(name, pa.int32()) for name in ("height", "width", "nChannels", "mode")]
        + [("data", pa.binary()), ("origin", pa.string())]
    )
    columns = {
        "image": [png("ring", row) for row in range(40)],
        "label": ["x"] * 40,
        "scan": pa.array(scans, scan_type),
        "breed": [1.0, float("nan"), *([1.0, 2.0] * 19)],
        "split": ["train"] * 30 + ["TEST"] * 10,
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=7)
    manifest = run_ingest(tmp_path / "a.parquet", tmp_path / "out", image_column="scan", label_column="breed")
    assert (manifest.classes, manifest.splits) == (["1", "2"], {"train": 29, "test": 10})
    assert manifest.quarantined == {"unlabelled": 1}
    assert manifest.settings["image_column"] == "scan"
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 39
    assert all(row["pixels"] == colour[int(source[-8:])].tobytes() for source, row in rows.items())


def test_a_table_beside_class_folders_is_passed_over_and_the_run_says_so(
    run_ingest: Ingest, tmp_path: Path, steplog: StepLog
) -> None:
    write_folder(tmp_path / "alone", per_class=10)
    write_folder(tmp_path / "shots", per_class=10)
    pq.write_table(pa.table({"file_name": ["ring/000.png"], "taken": ["2024"]}), tmp_path / "shots/metadata.parquet")
    alone = run_ingest(tmp_path / "alone", tmp_path / "out")
    manifest = run_ingest(tmp_path / "shots", tmp_path / "out")
    assert (manifest.kind, manifest.digest) == ("folder", alone.digest)
    told = ["Parquet beside images is passed over: metadata.parquet. Give such a file itself to read it."]
    assert manifest.warnings == told
    assert steplog.events is not None
    assert [event["text"] for event in read_events(steplog.events)[0] if event["kind"] == "warning"] == told
