"""What every test against an installed platform needs: `make test-platform`, with the cluster of KUBECONFIG."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.kube.client import connect
from forebay.kube.resource_types import INFERENCE_SERVICES
from support.forebay_command import Forebay
from support.live_platform import MODELS, SMALL, Platform, Trained
from support.opt_in import skip_unless_asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Never by accident: these tests run pipelines on the cluster that KUBECONFIG names."""
    reason = "runs pipelines on a cluster where `forebay up` installed the platform: `make test-platform`"
    skip_unless_asked(items, Path(__file__).parent, "FOREBAY_TEST_PLATFORM", reason)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform; the models that tests served there are removed."""
    forebay = Forebay(tmp_path_factory.mktemp("platform"), {"KUBECONFIG": os.environ.get("KUBECONFIG", "")})
    made = Platform(connect(), forebay)
    yield made
    for name in made.models:
        made.api.delete(INFERENCE_SERVICES, MODELS, name)


@pytest.fixture(scope="session")
def trained(platform: Platform) -> Trained:
    """One run of all six steps, with nothing from the cache."""
    name = platform.new_model()
    return Trained(name, platform.submit("--fresh", "--name", name, *SMALL))
