"""Prune after real runs: what the kept run needs to hit the cache again is there, what only older runs used is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.forebay_command import Forebay, ForebayHere, cached_steps
from support.made_once import home_with
from support.small_images import write_folder


@pytest.fixture
def forebay(tmp_path: Path, mlflow_template: Path) -> Iterator[Forebay]:
    cli = Forebay(tmp_path)
    home_with(mlflow_template, cli.home)
    write_folder(tmp_path / "shapes", per_class=40)
    yield cli
    ForebayHere(cli.folder, cli.environment)("stop")


def test_the_kept_run_still_hits_the_cache_and_an_old_version_is_still_served(forebay: Forebay) -> None:
    run = ("run", "--data", "shapes", "--model", "mlp", "--set", "train.epochs=8", "--seed")
    first, second = (forebay.json(*run, seed) for seed in (0, 1))
    assert cached_steps(second) == {"ingest", "preprocess"}
    assert len(list(forebay.home.glob("artifacts/*/train"))) == 2
    here = ForebayHere(forebay.folder)
    here("prune", "--keep-runs", "1")
    assert len(list(forebay.home.glob("artifacts/*/train"))) == 1, "only the first run used the first training"
    assert len(list(forebay.home.glob("artifacts/*/ingest"))) == 1, "the second run took it from the cache"
    runs = {run["run_id"] for run in here.json("runs")["runs"]}
    assert runs == {first["run_id"], second["run_id"]}, "the first run is the origin of version 1"
    again = forebay.json(*run, 1)
    assert cached_steps(again) == {"ingest", "preprocess", "train"}
    assert again["model"] == second["model"]
    assert "shapes version 1" in here("serve", "shapes/1").stdout
