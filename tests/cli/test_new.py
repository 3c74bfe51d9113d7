"""`forebay new` writes a file that runs as it is, and never over another one."""

import stat
from pathlib import Path

import pytest

from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere
from support.made_once import home_with


def test_a_source_to_start_from_is_read_as_it_is(tmp_path: Path) -> None:
    cli = ForebayHere(tmp_path)
    said = cli("new", "source").stdout
    assert said == "Wrote mysource.py. It runs as it is: `forebay run --data mysource.py:MySource`.\n"
    read = cli.json("ingest", "--data", "mysource.py:MySource?rows=100", "--out", "rows")
    assert (read["data"]["rows"], read["data"]["classes"], read["data"]["quarantined"]) == (100, 10, {})


def test_a_network_to_start_from_learns_as_it_is(tmp_path: Path, mlflow_template: Path, digits_prepared: Home) -> None:
    cli = Forebay(tmp_path)
    home_with(mlflow_template, cli.home, digits_prepared)
    said = cli("new", "model").stdout
    assert said == "Wrote mynet.py. It runs as it is: `forebay run --model mynet.py:MyNet`.\n"
    summary = cli.json("run", "--model", "mynet.py:MyNet", "--set", "train.epochs=4")
    ForebayHere(cli.folder, cli.environment)("stop")
    assert summary["state"] == "done"
    assert summary["accuracy"]["value"] > 0.8


def test_the_text_names_the_file_that_was_written(tmp_path: Path) -> None:
    ForebayHere(tmp_path)("new", "source", "birds.py")
    text = (tmp_path / "birds.py").read_text()
    assert "forebay run --data birds.py:MySource" in text
    assert "mysource.py" not in text
    assert stat.S_IMODE((tmp_path / "birds.py").stat().st_mode) & stat.S_IRUSR


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mine.py", "mine.py is there already, and stays as it is. Give another name."),
        ("mine.txt", "mine.txt does not end in .py. Give the file a name such as mysource.py."),
        ("no/folder/mine.py", "PATH: there is no folder "),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "mine.py").write_text("mine")
    assert words in ForebayHere(tmp_path)("new", "source", path, expect=2).stderr
    assert (tmp_path / "mine.py").read_text() == "mine"
    assert not (tmp_path / "no").exists()
