"""Sources that somebody wrote, through the commands: what travels, what is cached, what is refused before a run."""

import json
from pathlib import Path

import pytest

from support.forebay_command import Forebay, ForebayHere, cached_steps
from support.own_sources import DRAWN
from support.user_packages import install_package

SHAPES = """
class Shapes:
    def __init__(self, path, step="1"):
        self.path, self.step = path, int(step)

    def records(self):
        print("reading", self.path)
        for line in open(self.path):
            for number in range(0, int(line), self.step):
                yield Record(drawn(number) // 2 + 120 * (number % 2), "ab"[number % 2], id=str(number))
"""
QUICK = ("--model", "mlp", "--set", "train.epochs=2")
UNTRAINED = (  # the gate ends the run, where the claim is about what is before it
    "--model", "mlp", "--set", "train.epochs=1", "--set", "train.learning_rate=0.000001",
    "--set", "evaluate.min_accuracy=1",
)  # fmt: skip


def test_a_source_in_a_file_runs_whole_is_cached_and_read_again_when_text_or_data_change(
    forebay: Forebay, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shapes.py").write_text(DRAWN + SHAPES)
    (tmp_path / "rows.txt").write_text("60")
    data = "code/shapes.py:Shapes?path=./rows.txt"
    first = forebay.json("run", "--data", data, *QUICK, "--set", "evaluate.min_accuracy=0")
    assert (first["data"]["rows"], first["model"]["name"]) == (60, "shapes")
    plan = json.loads((forebay.home / "runs" / first["run_id"] / "run.json").read_text())
    assert plan["parameters"]["ingest_data"] == f"shapes.py:Shapes?path={tmp_path / 'rows.txt'}"
    assert plan["sources"] == [str(tmp_path / "rows.txt")]
    (tmp_path / "code" / "shapes.py").rename(tmp_path / "shapes.py")
    moved = ("run", "--data", "shapes.py:Shapes?path=./rows.txt", *UNTRAINED)
    assert "ingest" in cached_steps(forebay.json(*moved, expect=3))
    (tmp_path / "rows.txt").write_text("80")
    (tmp_path / "shapes.py").write_text(DRAWN + SHAPES.replace("int(line)", "int(line) - 10"))
    assert forebay.json(*moved, expect=3)["data"]["rows"] == 70


def test_a_source_of_an_installed_package_is_read_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"forebay.sources": {"club": "shape_club.read:Shapes"}}
    install_package(tmp_path / "site", monkeypatch, "shape-club", points, {"read.py": DRAWN + SHAPES})
    cli = Forebay(tmp_path, {"PYTHONPATH": str(tmp_path / "site")})
    (tmp_path / "rows.txt").write_text("40")
    by_name = cli.json("ingest", "--data", "club://./rows.txt?step=3", "--out", "by-name")
    by_module = cli.json("ingest", "--data", "shape_club.read:Shapes?path=./rows.txt&step=3", "--out", "by-module")
    assert by_name["data"]["rows"] == 14
    assert by_name["data"]["digest"] == by_module["data"]["digest"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("none.py:Shapes", "none.py cannot be read: No such file or directory"),
        ("broken.py:Shapes", "broken.py line 1 is no Python: '(' was never closed: def Shapes("),
        ("shapes.py:Shape?path=./rows.txt", "shapes.py has no Shape. Did you mean Shapes?"),
        ("shapes.py:Shapes", "missing a required argument: 'path'. It takes path, step"),
        ("shapes.py", "To let code of your own read the images, name its class: shapes.py:NAME."),
        ("club.missing:Shapes", "there is no module club"),
        ("missing://", "No installed package brings 'missing' in forebay.sources."),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_fix(tmp_path: Path, data: str, words: str) -> None:
    (tmp_path / "broken.py").write_text("def Shapes(")
    (tmp_path / "shapes.py").write_text(DRAWN + SHAPES)
    cli = ForebayHere(tmp_path)
    said = cli("ingest", "--data", data, "--out", "rows", expect=1 if data == "shapes.py" else 2).stderr
    assert words in said
    assert not (tmp_path / "rows" / "manifest.json").exists()


def test_a_folder_that_is_called_like_a_module_is_still_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photos:old").mkdir()
    said = ForebayHere(tmp_path)("ingest", "--data", "photos:old", "--out", "rows", expect=1).stderr
    assert f"{tmp_path}/photos:old: it holds no files" in said
