"""The suite says where its time goes, and ends when it is told to."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.paths import TESTS


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two folders with a test each."""
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_{folder}.py").write_text("def test_it(): pass\n")
    return tmp_path


def run(suite: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "support.suite_time", "-rs", *options, "first", "second"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_seconds_of_each_folder_stand_at_the_end_with_two_processes_too(suite: Path) -> None:
    said = run(suite, "-n", "2", "--durations=1")
    table = said.split("seconds of each folder")[1]
    assert sorted(re.findall(r"^ +\d+\.\d  (\w+)$", table, re.MULTILINE)) == ["all", "first", "second"]


def test_no_test_begins_after_the_time_that_it_is_given(suite: Path) -> None:
    said = run(suite, "--start-within=0")
    assert "2 skipped" in said
    assert "# 2 TESTS WERE NOT RUN: THEIR TIME WAS UP #" in said
    assert "2 passed" in run(suite, "--start-within=600")


def test_no_test_begins_that_would_not_end_by_a_time_of_day(suite: Path) -> None:
    assert "# 2 TESTS WERE NOT RUN: THEIR TIME WAS UP #" in run(suite, f"--end-by={time.time() + 20}")
    assert "2 passed" in run(suite, f"--end-by={time.time() + 6000}")
