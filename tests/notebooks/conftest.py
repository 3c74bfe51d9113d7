"""The state folder that the notebooks of a file share: a later one takes from the cache what an earlier one made."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.state import Home
from support.made_once import home_with
from support.notebooks import settle_kernel


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path, digits_prepared: Home) -> Iterator[None]:
    """An environment for kernels; a server that a failed notebook left is ended."""
    with pytest.MonkeyPatch.context() as patch:
        settle_kernel(patch, tmp_path_factory.mktemp("kernels"))
        home_with(mlflow_template, Path(os.environ["FOREBAY_HOME"]), digits_prepared)
        yield
        if (Path(os.environ["FOREBAY_HOME"]) / "serving").exists():
            import forebay

            forebay.stop()
