"""One shared digits run, and fresh state folders for what changes things."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere
from support.made_once import home_with

OWN_MODULES = ("kfp", "mlflow", "numpy", "torch", "random", "pyspark", "pyarrow", "sklearn", "uvicorn", "requests")


@pytest.fixture
def forebay(tmp_path: Path, mlflow_template: Path, digits_prepared: Home) -> Iterator[Forebay]:
    """A fresh state folder, with a database and the digits prepared; its server is stopped at the end."""
    cli = Forebay(tmp_path)
    home_with(mlflow_template, cli.home, digits_prepared)
    yield cli
    ForebayHere(cli.folder, cli.environment)("stop")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Forebay, dict[str, Any]]]:
    """One default run on the digits, shared by every test that only looks at it.

    It starts in the folder of somebody's project, whose modules have the names of libraries.
    """
    cli = Forebay(tmp_path_factory.mktemp("digits"))
    for name in OWN_MODULES:
        (cli.folder / f"{name}.py").write_text(f"raise SystemExit('somebody imported {name}.py')\n")
    summary = cli.json("run")
    yield cli, summary
    ForebayHere(cli.folder, cli.environment)("stop")
