"""The notebooks about digits, and what an architecture is, run from the first cell to the last."""

import pytest

from support.notebooks import Pair, complaints


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", ["1_first_network", "3_architectures", "6_kubeflow_and_rest"])
def test_it_runs(name: str) -> None:
    assert complaints(Pair(name).run()) == []
