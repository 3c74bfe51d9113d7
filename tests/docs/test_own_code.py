"""The examples of docs/own-code.md run as they are written."""

import io
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from forebay.state import Home
from forebay.user_code import decode_code
from support.forebay_command import Forebay, ForebayHere
from support.made_once import home_with
from support.markdown_pages import DOCS, Page
from support.small_images import CLASSES, draw

PAGE = Page(DOCS / "own-code.md")


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """The folder of somebody who follows the page."""
    database = sqlite3.connect(tmp_path / "birds.db")
    database.execute("create table photos (name text, species text, jpeg blob, taken text)")
    for number in range(40):
        file = io.BytesIO()
        Image.fromarray(draw(CLASSES[number % 2], number)).save(file, "JPEG")
        row = (f"bird {number}", CLASSES[number % 2], file.getvalue(), str(2019 + number % 4))
        database.execute("insert into photos values (?, ?, ?, ?)", row)
    database.commit()
    database.close()
    (tmp_path / "photos.py").write_text(PAGE.blocks("python")[0])
    return tmp_path


def test_the_source_of_the_page_reads_its_database(birds: Path) -> None:
    [line] = [line for line in PAGE.commands("console") if "photos.py" in line]
    data = line.partition("--data ")[2].strip("'")
    summary = ForebayHere(birds).json("ingest", "--data", data, "--out", "rows")
    assert (summary["data"]["rows"], summary["data"]["classes"]) == (20, 2)


def test_the_package_of_the_page_brings_the_source_under_its_name(birds: Path) -> None:
    (birds / "pyproject.toml").write_text(PAGE.blocks("toml")[0])
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--quiet")
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(birds / "site"), str(birds)]
    subprocess.run(pip, check=True, cwd=birds)
    cli = Forebay(birds, {"PYTHONPATH": str(birds / "site")})
    assert "birds://./birds.db" in PAGE.text
    assert cli.json("ingest", "--data", "birds://./birds.db", "--out", "rows")["data"]["rows"] == 30


def test_the_network_of_the_page_is_trained_and_answers_from_its_graph(
    tmp_path: Path, mlflow_template: Path, digits_prepared: Home
) -> None:
    (tmp_path / "net.py").write_text(PAGE.blocks("python")[1])
    assert "forebay run --model net.py:Net" in PAGE.commands("console")
    cli = ForebayHere(tmp_path)
    home_with(mlflow_template, cli.home)
    [rows] = digits_prepared.artifacts.glob("*/ingest/rows")
    settings = ("--set", "train.model=net.py:Net", "--set", "train.epochs=8")
    assert cli.json("train", rows, "--out", "out", *settings)["model"]["architecture"] == "Net"
    assert cli.json("evaluate", "out/bundle", "--data", "out/shards")["accuracy"]["value"] > 0.9


def test_the_line_of_the_page_prints_what_the_kubeflow_ui_takes(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(PAGE.blocks("python")[1])
    printed = subprocess.run(
        [sys.executable, "-c", PAGE.blocks("python")[2]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert decode_code(printed.stdout.strip(), "train.model_code") == PAGE.blocks("python")[1]
