"""What the tests of `forebay submit` share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_pipelines_api import KfpDouble, kfp_double, recorded
from support.forebay_command import ForebayHere


@pytest.fixture
def done() -> Iterator[KfpDouble]:
    """A server whose runs end well."""
    with kfp_double(recorded("done")) as double:
        yield double


@pytest.fixture
def forebay(tmp_path: Path) -> ForebayHere:
    """The command, in a folder that is in no git repository."""
    return ForebayHere(tmp_path)
