"""What a step command accepts as its output folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.commands.steps import ROWS_FOLDER
from forebay.cli.main import group
from forebay.cli.step_calls import check_output_folder
from forebay.errors import ConfigError


def test_a_killed_commands_temporary_file_neither_hinders_the_next_nor_stays(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".manifest.json.x1y2z3_a").write_text("{")
    check_output_folder(tmp_path, ROWS_FOLDER)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_hidden_files_of_other_programs_are_refused_because_the_folder_would_be_emptied(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".manifest.json.x1y2z3_a").write_text("{")
    with pytest.raises(ConfigError, match=r"holds '\.git'"):
        check_output_folder(tmp_path, ROWS_FOLDER)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_its_file_system_refuses_is_wrong_use_with_the_option_named() -> None:
    ended = CliRunner().invoke(group, ["compile", "--out", "/proc/training.yaml"])  # which takes no file of anybody
    assert ended.exit_code == 2
    assert ended.stderr.startswith("Error: --out: ")
    assert "Give a " in ended.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["compile", "--out", "{}/x.yaml"], "--out"),
        (["new", "model", "{}/net.py"], "PATH"),
        (["ingest", "--data", "digits", "--out", "{}/rows"], "--out"),
        (["train", "{here}", "--out", "{}/model"], "--out"),
        (["weights", "fetch", "timm/resnet18", "--to", "{}/store"], "--to"),
        (["bundle", "save", "{}/platform.tar"], "FILE"),
        (["bundle", "save", "{}/platform.tar", "--dry-run"], "FILE"),
    ],
)
@pytest.mark.usefixtures("home")
def test_no_option_makes_folders_out_of_a_typing_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], name: str
) -> None:
    monkeypatch.setattr("forebay.local.evaluation.held_out.read_ingest_output", lambda folder: None)
    missing = tmp_path / "nope" / "deep er"
    ended = CliRunner().invoke(group, [word.format(missing, here=tmp_path) for word in words])
    said = f"Error: {name}: there is no folder {missing}. `mkdir -p '{missing}'` makes it; or correct the name.\n"
    assert (ended.exit_code, ended.stderr) == (2, said)
    assert not (tmp_path / "nope").exists()


def test_a_folder_of_results_is_made_where_only_it_is_missing(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "rows", ROWS_FOLDER)
    assert list(tmp_path.iterdir()) == [], "by the step, not by the check"
