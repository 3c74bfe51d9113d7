"""What the tests of `forebay submit` share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_pipelines_api import FakePipelines, fake_pipelines, recorded
from support.forebay_command import ForebayHere


@pytest.fixture
def done() -> Iterator[FakePipelines]:
    """A server whose runs end well."""
    with fake_pipelines(recorded("done")) as fake:
        yield fake


@pytest.fixture
def forebay(tmp_path: Path) -> ForebayHere:
    """The command, in a folder that is in no git repository."""
    return ForebayHere(tmp_path)
