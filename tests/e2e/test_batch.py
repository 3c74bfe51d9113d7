"""The compiled batch pipeline runs whole with kfp's local runner, and answers what the model answers in one process."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import forebay
from forebay.backend.compiled_file import compiled_pipeline
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.state import Home, write_json
from forebay.state.events import read_events
from support.deploy_run import NAME, DeployRun
from support.forebay_command import Forebay
from support.made_once import home_with
from support.s3_server import S3Store


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 9), dtype=np.uint8)
    for number, image in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        (root / f"{number:02d}.png").write_bytes(file.getvalue() if number else b"broken")
    return root


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Forebay:
    """A state folder with a registered model, and no server."""
    forebay = Forebay(tmp_path_factory.mktemp("batch"))
    registry = DeployRun(home_with(mlflow_template, forebay.home), forebay.folder)
    registry.release(seed=1)
    return forebay


def test_the_compiled_file_of_a_cluster_predicts_a_bucket_and_writes_one_table_there(
    cli: Forebay, photos: Path, s3_server: S3Store, tmp_path: Path
) -> None:
    uri = s3_server.upload(photos, "batch", "photos")
    home = Home(cli.home)
    parameters = {
        "ingest_data": uri, "batch_model": f"{NAME}/1", "batch_top": 2, "batch_probabilities": True,
        "batch_out": "s3://batch/answers/p.parquet",
    }  # fmt: skip
    run = home.new_run()
    write_json(run.plan, {"pipeline": str(compiled_pipeline("batch")), "parameters": parameters, "runner": "process"})
    environment = cli.variables() | s3_server.environment | {EVENTS_VARIABLE: str(run.events)}
    command = [sys.executable, "-m", "forebay.local.runs.kfp_local", str(run.folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    events = read_events(run.events)[0]
    assert {event["step"] for event in events if event["kind"] == "finished"} == {"fetch-model", "decode", "predict"}
    [said] = [event["predictions"] for event in events if "predictions" in event]
    assert said == {"rows": 19, "quarantined": {"unreadable": 1}, "out": parameters["batch_out"]}

    for name in ("p.parquet", "p.quarantine.parquet"):
        s3_server.client.download_file("batch", f"answers/{name}", str(tmp_path / name))
    table = pq.read_table(tmp_path / "p.parquet")
    assert table["source"].to_pylist() == [f"{uri}/{number:02d}.png" for number in range(1, 20)]
    assert pq.read_table(tmp_path / "p.quarantine.parquet")["source"].to_pylist() == [f"{uri}/00.png"]
    model = forebay.load_model(f"{NAME}/1", home=cli.home)
    wanted = model.predict([photos / f"{number:02d}.png" for number in range(1, 20)])
    for row, answer in zip(table.to_pylist(), wanted, strict=True):
        assert (row["label"], row["version"], row["model"]) == (answer.label, "1", NAME)
        assert np.allclose(row["probabilities"], list(answer.probabilities.values()), rtol=0, atol=1e-6)
        assert len(row["top_labels"]) == 2


def test_the_command_takes_the_registered_model_without_a_server(cli: Forebay, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    facts = cli.json("predict", photos, "--name", NAME, "--out", out)
    assert facts["model"] == {"name": NAME, "version": "1"}
    assert facts["rows"] == 19
    assert set(pq.read_table(out)["version"].to_pylist()) == {"1"}
