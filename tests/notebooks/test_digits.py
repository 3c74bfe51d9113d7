"""The notebooks about digits, and what an architecture is, run from the first cell to the last."""

import pytest

from support.notebooks import Pair, complaints


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", ["3_architectures"])
def test_it_runs(name: str) -> None:
    assert complaints(Pair(name).run()) == []
