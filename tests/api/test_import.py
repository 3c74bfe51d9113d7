"""`import forebay`: what it offers, and that it costs nothing until it is used."""

import inspect
import subprocess
import sys

import pytest

import forebay
from support.machine_speed import slowness

CPU_S = 0.06
HEAVY = {"click", "kfp", "mlflow", "numpy", "PIL", "pyspark", "rich", "torch", "yaml"}
MEASURE = "import time; t = time.process_time(); import forebay; print(time.process_time() - t)"
ATTEMPTS = 5  # of which the best counts; the first may find no bytecode


def test_importing_takes_less_than_60_ms_of_cpu() -> None:
    best = min(float(_python(MEASURE)) for _ in range(ATTEMPTS))
    assert best < CPU_S * max(1.0, slowness())


def test_importing_loads_no_library() -> None:
    assert _python(f"import sys, forebay; print(*({HEAVY!r} & {{*sys.modules}}))").split() == []


@pytest.mark.parametrize("name", [name for name in forebay.__all__ if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    offered = getattr(forebay, name)
    assert name in dir(forebay)
    assert inspect.getdoc(offered)
    assert offered.__name__ == name


def test_a_name_that_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'forebay' has no attribute 'fit'"):
        forebay.fit  # noqa: B018


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
