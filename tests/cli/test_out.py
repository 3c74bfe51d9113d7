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
