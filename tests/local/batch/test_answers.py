"""A batch answers what REST answers for the same images, whatever holds them."""

import base64
import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from forebay.contracts.bundles.spec import read_spec
from support.batch_runs import RunBatch
from support.s3_server import S3Store
from support.tiny_inference_server import RunningServer

TOLERANCE = 1e-6  # of a probability: matrix products of one row and of many are not the same, bit for bit
BAD = {"b/cut.png", "b/empty.jpg", "a/train/text.png"}


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def names(photos: Path) -> list[str]:
    files = (path for path in photos.rglob("*") if path.is_file() and path.suffix != ".txt")
    return sorted(path.relative_to(photos).as_posix() for path in files)


def check_against_rest(server: RunningServer, photos: Path, model: str, rows: dict[str, dict[str, Any]]) -> None:
    """Compare every row, by the name of its image, with the answer to a request of its own."""
    assert set(rows) == set(names(photos)) - BAD
    for name, row in rows.items():
        data = (photos / name).read_bytes()
        [answer] = server.predict(model, [{"b64": base64.b64encode(data).decode()}])
        assert row["label"] == answer["label_name"], name
        assert np.abs(np.subtract(row["probabilities"], answer["probabilities"])).max() <= TOLERANCE, name
        assert row["warnings"] == answer.get("warnings", []), name
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert row["probability"] == max(row["probabilities"])


@pytest.mark.parametrize("model", ["grey", "colour"])
def test_a_folder_without_labels_is_answered_as_rest_answers_each_image(
    run_batch: RunBatch, server: RunningServer, bundles: Path, photos: Path, tmp_path: Path, model: str
) -> None:
    out = tmp_path / "predictions.parquet"
    result = run_batch(bundles / model, out, photos, probabilities=True, top=3)
    rows = {row["source"].removeprefix(f"{photos}/"): row for row in rows_of(out)}
    check_against_rest(server, photos, model, rows)
    assert any(row["warnings"] for row in rows.values()) == (model == "grey")
    assert (result.rows, result.images) == (len(rows), len(rows) + 3)
    assert result.quarantined == {"unreadable": 3}
    for row in rows.values():
        assert row["top_labels"][0] == row["label"]
        assert row["top_probabilities"] == sorted(row["probabilities"], reverse=True)[:3]
        assert (row["model"], row["version"]) == (model, "")


def test_what_rest_refuses_is_quarantined_with_the_reason(
    run_batch: RunBatch, server: RunningServer, bundles: Path, photos: Path, tmp_path: Path
) -> None:
    run_batch(bundles / "grey", tmp_path / "p.parquet", photos)
    table = pq.read_table(tmp_path / "p.quarantine.parquet")
    assert table.column_names == ["source", "reason", "detail"]
    bad = {row["source"].removeprefix(f"{photos}/"): row for row in table.to_pylist()}
    assert set(bad) == BAD
    for name, row in bad.items():
        body = {"instances": [{"b64": base64.b64encode((photos / name).read_bytes()).decode()}]}
        reply = server.post("/v1/models/grey:predict", json.dumps(body).encode())
        assert reply.status == 400
        assert f"{row['reason']}: {row['detail']}" in reply.body.decode()


def test_a_tar_parquet_and_the_object_store_give_the_rows_of_the_folder(
    run_batch: RunBatch, bundles: Path, photos: Path, tar: Path, table: Path, s3: S3Store, tmp_path: Path
) -> None:
    uri = s3.upload(photos, "batches", "photos")
    paths = pq.read_table(table)["path"].to_pylist()
    wanted = _by_name(
        run_batch, bundles, tmp_path / "folder.parquet", photos, lambda name: name.removeprefix(f"{photos}/")
    )
    for source, plain in (
        (tar, lambda name: name.removeprefix(f"{tar}#")),
        (uri, lambda name: name.removeprefix(f"{uri}/")),
        (table, lambda name: paths[int(name.removeprefix(f"{table}#"))]),
    ):
        found = _by_name(run_batch, bundles, tmp_path / "p.parquet", source, plain)
        assert len(found) == 28
        assert found == (wanted := wanted or found), source


def _by_name(run_batch: RunBatch, bundles: Path, out: Path, source: Path | str, plain: Any) -> dict[str, Any]:
    run_batch(bundles / "grey", out, source)
    return {plain(row.pop("source")): row for row in rows_of(out)}


def test_several_sources_and_single_files_make_one_table_in_their_order(
    run_batch: RunBatch, bundles: Path, photos: Path, tar: Path, tmp_path: Path
) -> None:
    singles = [photos / "colour.jpg", photos / "000.png"]
    result = run_batch(bundles / "grey", tmp_path / "p.parquet", *singles, tar, photos / "b")
    found = [row["source"] for row in rows_of(tmp_path / "p.parquet")]
    assert found[:2] == [str(path) for path in singles]
    assert found[2].startswith(f"{tar}#")
    assert found[-1].startswith(f"{photos}/b/")
    assert result.rows == len(found)


def test_csv_holds_what_parquet_holds(run_batch: RunBatch, bundles: Path, photos: Path, tmp_path: Path) -> None:
    for suffix in ("parquet", "csv"):
        run_batch(bundles / "grey", tmp_path / f"p.{suffix}", photos, probabilities=True)
    wanted = rows_of(tmp_path / "p.parquet")
    classes = read_spec(bundles / "grey").classes
    with (tmp_path / "p.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(wanted)
    for texts, row in zip(found, wanted, strict=True):
        assert list(texts) == list(row)
        assert json.loads(texts["top_labels"]) == row["top_labels"]
        assert json.loads(texts["warnings"]) == row["warnings"]
        probabilities = json.loads(texts["probabilities"])
        assert list(probabilities) == classes
        assert np.array_equal(np.float32(list(probabilities.values())), np.float32(row["probabilities"]))
        assert np.float32(texts["probability"]) == np.float32(row["probability"])
        assert texts["sha256"] == row["sha256"]
    with (tmp_path / "p.quarantine.csv").open(newline="") as file:
        bad = list(csv.DictReader(file))
    assert bad == pq.read_table(tmp_path / "p.quarantine.parquet").to_pylist()


def test_the_file_says_which_model_made_it(run_batch: RunBatch, bundles: Path, photos: Path, tmp_path: Path) -> None:
    run_batch(bundles / "grey", tmp_path / "p.parquet", photos / "b")
    facts = json.loads(pq.read_schema(tmp_path / "p.parquet").metadata[b"forebay.predictions"])
    assert facts["model"] == "grey"
    assert facts["classes"] == read_spec(bundles / "grey").classes
    assert len(facts["digest"]) == 64
