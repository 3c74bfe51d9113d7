"""Other sources end to end: a folder with planted bad files, an S3 prefix; MNIST's format is in test_failures.py."""

from pathlib import Path

from support.forebay_command import Forebay, cached_steps
from support.small_images import draw, plant_bad_files, write_folder

QUICK = ("--model", "mlp", "--set", "train.epochs=12")
UNTRAINED = ("--set", "train.learning_rate=0.000001", "--set", "evaluate.min_accuracy=1")  # the run ends at the gate


def test_a_folder_with_planted_bad_files_is_cleaned_trained_and_served(forebay: Forebay, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes")
    planted = plant_bad_files(tmp_path / "shapes")
    summary = forebay.json("run", "--data", tmp_path / "shapes", *QUICK)
    assert summary["data"]["quarantined"] == planted
    assert summary["data"]["rows"] == 120
    assert summary["model"]["name"] == "shapes"
    assert summary["accuracy"]["value"] > 0.8

    from PIL import Image

    Image.fromarray(255 - draw("ring", 5)).save(tmp_path / "shapes" / "ring" / "005.png")
    edited = forebay.json("run", "--data", tmp_path / "shapes", *QUICK, *UNTRAINED, expect=3)
    assert cached_steps(edited) == set(), "an edited file under the same path must be read again"
    assert edited["data"]["digest"] != summary["data"]["digest"]

    refused = forebay("run", "--data", tmp_path / "shapes", "--set", "ingest.max_quarantine=0.01", expect=1)
    assert "ingest" in refused.stderr
    assert "ingest.max_quarantine" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Inner task failed" not in refused.stderr
    failed = forebay.json("status")
    assert failed["state"] == "failed"
    assert failed["data"] == edited["data"]


def test_an_s3_prefix_is_read_with_what_the_environment_says(
    forebay: Forebay, tmp_path: Path, s3_server: object
) -> None:
    write_folder(tmp_path / "shapes", per_class=40)
    uri = s3_server.upload(tmp_path / "shapes", "bucket", "images/shapes")  # type: ignore[attr-defined]
    forebay.environment |= s3_server.environment  # type: ignore[attr-defined]
    summary = forebay.json("run", "--data", uri, *QUICK)
    assert summary["data"]["rows"] == 80
    assert summary["model"]["name"] == "shapes"
    secret = s3_server.environment["AWS_SECRET_ACCESS_KEY"].encode()  # type: ignore[attr-defined]
    assert not [path for path in forebay.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
