"""Executors of their own, which share nothing with the driver but the object store, write the same bytes."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from forebay.cluster.spark.ingest_with_executors import download
from forebay.cluster.spark.spark_application import IngestApplication, spark_application
from forebay.contracts.decoded_images import DECODED, ImageFormat
from forebay.contracts.manifest import DataManifest
from forebay.errors import DataError
from forebay.ingest.distributed.exchange import read_decode_result, read_result, write_image_format, write_task
from forebay.ingest.index.parts import INDEX
from forebay.ingest.spark.task_storage import S3Storage
from forebay.ingest.unlabelled.step import decode_source
from forebay.object_store import ObjectFolder
from forebay.settings import IngestConfig
from forebay.state import StepLog
from support.own_sources import own_source
from support.s3_server import S3Store
from support.small_images import CLASSES, draw, plant_bad_files, write_folder, write_idx
from support.spark_driver_pod import run_driver

Ingest = Callable[..., DataManifest]
KINDS = ("folder", "tar", "gz", "idx", "s3a", "parquet", "own")
OWN = own_source(
    """
class Shapes:
    def partitions(self):
        return [0, 20, 40]
    def records(self, start):
        for number in range(start, start + 20):
            yield (png(number) if number % 7 else b"broken"), "ab"[number % 2]
""",
)
FORMAT = ImageFormat(height=10, width=6, channels=3, fit="letterbox", bits=16)
SETTINGS = {  # by kind; tasks must know them
    "parquet": {"image_column": "scan"},
    "own": {"source_code": OWN["source_code"]},
}


@dataclass(frozen=True)
class Work:
    """What executors made of the sources."""

    uris: dict[str, str]  # of the sources, by kind
    places: dict[str, S3Storage]
    said: dict[str, Any]


def write_table(folder: Path) -> None:
    """Parquet with two columns of images, of which `image` is the one that is found without a setting."""
    folder.mkdir(parents=True)
    images = []
    for number in range(40):
        file = io.BytesIO()
        Image.fromarray(draw(CLASSES[number % 2], number)).save(file, "PNG")
        images.append(file.getvalue())
    table = pa.table({"image": images[::-1], "scan": images, "label": [CLASSES[row % 2] for row in range(40)]})
    pq.write_table(table, folder / "0.parquet", row_group_size=7)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Store) -> Work:
    """All sources, worked off by one driver with two executors."""
    root = tmp_path_factory.mktemp("distributed")
    write_folder(root / "shapes", per_class=20)
    plant_bad_files(root / "shapes")
    for name, mode in (("shapes.tar", "w"), ("shapes.tar.gz", "w:gz")):
        with tarfile.open(root / name, mode) as tar:
            tar.add(root / "shapes", "shapes")
    write_idx(root / "mnist", rows=30, test_rows=10)
    for file in (root / "mnist").iterdir():
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    write_table(root / "table" / "split=train")
    (root / "cut.tar.gz").write_bytes((root / "shapes.tar.gz").read_bytes()[:-50])
    uris = {
        "folder": s3_server.upload(root / "shapes", "distributed", "shapes"),
        "tar": s3_server.upload(root / "shapes.tar", "distributed", "shapes.tar"),
        "gz": s3_server.upload(root / "shapes.tar.gz", "distributed", "shapes.tar.gz"),
        "idx": s3_server.upload(root / "mnist", "distributed", "mnist"),
        "parquet": s3_server.upload(root / "table", "distributed", "table"),
        "own": OWN["data"],
        "cut": s3_server.upload(root / "cut.tar.gz", "distributed", "cut.tar.gz"),
    }
    uris["decode"] = uris["folder"]  # into the size of a model, without labels
    uris["s3a"] = uris["folder"].replace("s3://", "s3a://")
    places = {kind: S3Storage(f"s3://distributed/work/{kind}") for kind in uris}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        write_image_format(places["decode"], FORMAT)
        for kind, uri in uris.items():
            config = IngestConfig(data=uri, max_quarantine=0.5, executors=2, **SETTINGS.get(kind, {}))  # type: ignore[arg-type]
            write_task(places[kind], config)
    application = spark_application(
        IngestApplication(
            name="n", namespace="n", image="i", account="a", main_file="unused", work="", executors=2,
            executor_memory="2Gi",
        )
    )  # fmt: skip
    application["spec"]["arguments"] = [place.uri for place in places.values()]
    program = Path(__file__).with_name("drive_many.py")
    folder = tmp_path_factory.mktemp("driver")
    done = run_driver(application, folder, "local-cluster[2,1,1024]", s3_server.environment, program)
    assert done.returncode == 0, done.stderr
    return Work(uris, places, json.loads(done.stdout.splitlines()[-1]))


def files_of(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("rows", "quarantine")
        for path in (out / folder).iterdir()
    }


def test_the_work_was_done_by_two_processes_of_their_own(work: Work) -> None:
    assert len(work.said["executors"]) == 2
    assert work.said["driver"] not in work.said["executors"]


@pytest.mark.parametrize("kind", KINDS)
def test_executors_write_what_the_steps_own_process_writes(
    run_ingest: Ingest, work: Work, kind: str, tmp_path: Path, s3: S3Store
) -> None:
    here = run_ingest(work.uris[kind], tmp_path / "here", part_rows=7, max_quarantine=0.5, **SETTINGS.get(kind, {}))
    reading = read_result(work.places[kind])
    for folder in ("rows", "quarantine"):
        (tmp_path / "there" / folder).mkdir(parents=True)
    download(work.places[kind], reading, tmp_path / "there")
    step_says = [warning for warning in here.warnings if "are quarantined" not in warning]  # it names the step's run
    assert reading.manifest == replace(here, warnings=step_says)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert len(files_of(tmp_path / "there")) > 5
    assert reading.images == here.rows + sum(here.quarantined.values())


@pytest.mark.parametrize("kind", KINDS)
def test_no_address_in_the_index_is_one_machines_own(work: Work, kind: str, s3: S3Store, tmp_path: Path) -> None:
    with work.places[kind].open_file(INDEX) as source:
        uris = {uri.decode() for uri in pq.read_table(source)["uri"].to_pylist()}
    assert all(uri.startswith("s3://") for uri in uris)
    assert any("/unpacked/" in uri for uri in uris) == (kind in ("gz", "idx"))


def test_executors_decode_images_for_a_batch_as_the_steps_own_process_does(
    spark: object, work: Work, s3: S3Store, steplog: StepLog, tmp_path: Path
) -> None:
    here = decode_source(tmp_path / "here", IngestConfig(data=work.uris["decode"]), FORMAT.text, steplog)
    there = read_decode_result(work.places["decode"])
    (tmp_path / "there" / DECODED).mkdir(parents=True)
    download(work.places["decode"], there, tmp_path / "there")
    assert (there.images, there.notes) == (here.images, here.notes)
    files = {name: path for name in ("here", "there") for path in (tmp_path / name / DECODED).iterdir()}
    assert files["here"].read_bytes() == files["there"].read_bytes()
    rows = pq.read_table(files["there"]).to_pylist()
    assert sum(row["reason"] is not None for row in rows) == 3, "equal images are no reason, nor are two labels"
    assert {len(row["pixels"]) for row in rows if row["reason"] is None} == {10 * 6 * 3}


def test_an_error_of_the_driver_is_the_one_that_the_step_would_have_raised(
    run_ingest: Ingest, work: Work, s3: S3Store, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as here:
        run_ingest(work.uris["cut"], tmp_path / "here")
    with pytest.raises(DataError) as there:
        read_result(work.places["cut"])
    assert str(there.value) == str(here.value)
    assert (there.value.source, there.value.fix) == (here.value.source, here.value.fix)
    assert work.said["done"] == [kind != "cut" for kind in work.uris]


def test_a_file_that_came_out_of_the_store_otherwise_than_it_went_in_is_refused(
    work: Work, s3: S3Store, tmp_path: Path
) -> None:
    reading = read_result(work.places["tar"])
    name = sorted(reading.digests)[0]
    for folder in ("rows", "quarantine"):
        (tmp_path / folder).mkdir()
    wrong = {**reading.digests, name: "0" * 64}
    with pytest.raises(DataError, match=rf"{name}: its bytes are not those that were written"):
        download(work.places["tar"], type(reading)(manifest=reading.manifest, images=1, digests=wrong), tmp_path)
    outside = {"../../etc/passwd": "0" * 64}
    with pytest.raises(DataError, match="it is no part of rows or quarantine"):
        download(work.places["tar"], type(reading)(manifest=reading.manifest, images=1, digests=outside), tmp_path)


def test_clearing_leaves_what_lies_beside(s3: S3Store) -> None:
    s3.client.put_object(Bucket="distributed", Key="a/1/x", Body=b"x")
    s3.client.put_object(Bucket="distributed", Key="a/11/x", Body=b"x")
    parent = ObjectFolder.parse("s3://distributed/a", "a test")
    first = parent.subfolder("1")
    first.delete_all(first.names())
    assert parent.names() == ["11/x"]
