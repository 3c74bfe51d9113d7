"""docker/build.py: wrong words are refused before anything is built."""

import os
import subprocess
import sys

import pytest

from support.paths import ROOT

BUILD = ROOT / "docker" / "build.py"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["srve"], "'srve' is no image: choose from pipeline, spark, train, serve, mlflow"),
        (["--wheels", "/nowhere"], "there is no folder /nowhere"),
        (["serve", "--jars", __file__], "there is no folder"),
        (["serve"], "There is no `docker` on the PATH"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], said: str) -> None:
    environment = {**os.environ, "DOCKER": "no-such-engine"}
    done = subprocess.run([sys.executable, BUILD, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
