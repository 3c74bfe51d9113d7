"""A registry and a server for the tests of a module."""

from collections.abc import Iterator

import pytest

from deploy_station import Station
from forebay.serving import supervise
from forebay.state import Home


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """One registry and one server for the tests of a module, which run in the order they stand."""
    folder = tmp_path_factory.mktemp("station")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        station = Station(Home(folder / "home").open(), folder)
        yield station
        supervise.stop(station.home)
