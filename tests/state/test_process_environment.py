"""The working folder is no place of modules, and what a shell says to another Spark is known by its name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.local.checks.libraries import hidden_modules
from forebay.state.process_environment import other_spark_variables, without_other_spark

LOOK = """
import json, os, sys
from forebay.cli import main
sys.argv = ["forebay", "--version"]
try:
    main()
except SystemExit:
    print(json.dumps([sys.path, os.environ.get("PYTHONPATH"), os.environ["PYTHONSAFEPATH"]]))
"""


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (None, None),
        ("", ""),
        (":", ""),
        (":{other}", "{other}"),
        ("{other}:", "{other}"),
        (".:{other}", "{other}"),
        ("{here}", "{here}"),
    ],
)
def test_an_entry_of_pythonpath_that_means_the_working_folder_by_accident_is_taken_away(
    tmp_path: Path, given: str | None, left: str | None
) -> None:
    names = {"here": str(tmp_path), "other": str(tmp_path / "other")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if given is not None:
        environment["PYTHONPATH"] = given.format(**names)
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    path, kept, safe = json.loads(done.stdout.splitlines()[-1])
    assert kept == (left if left is None else left.format(**names))
    assert safe == "1"
    assert (str(tmp_path) in path) == (given == "{here}")


def test_python_m_forebay_imports_nothing_from_there(tmp_path: Path) -> None:
    for name in ("click", "random", "numpy", "tempfile", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    done = subprocess.run(
        [sys.executable, "-m", "forebay", "runs"],
        cwd=tmp_path, env={**os.environ, "FOREBAY_HOME": str(tmp_path / "home")}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "No run yet" in done.stdout


def test_the_command_imports_nothing_from_there_where_pythonpath_has_an_empty_entry(tmp_path: Path) -> None:
    for name in ("click", "random", "numpy", "tempfile", "json", "kfp", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "FOREBAY_HOME": str(tmp_path / "home"), "PYTHONPATH": ":/nowhere"}
    done = subprocess.run(
        [Path(sys.executable).parent / "forebay", "runs"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "No run yet" in done.stdout


def test_doctor_names_a_module_that_pythonpath_puts_before_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.py").write_text("")
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("")
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "torch").mkdir()  # no package
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert hidden_modules().ok
    monkeypatch.setenv("PYTHONPATH", f"/nowhere:{tmp_path}")
    check = hidden_modules()
    assert not check.ok
    assert f"import {tmp_path / 'mlflow.py'}, {tmp_path / 'numpy'} in place" in check.detail
    assert "PYTHONPATH" in check.fix


def test_variables_of_another_spark_are_away_for_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master yarn")
    monkeypatch.setenv("JAVA_HOME", "/java")
    monkeypatch.setenv("SPARK_LOCAL_DIRS", "")
    named = other_spark_variables()
    assert "PYSPARK_SUBMIT_ARGS" in named
    assert "JAVA_HOME" not in named
    assert "SPARK_LOCAL_DIRS" not in named, "an empty one counts as not set"
    with without_other_spark():
        assert "PYSPARK_SUBMIT_ARGS" not in os.environ
        assert os.environ["JAVA_HOME"] == "/java"
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == "--master yarn"
