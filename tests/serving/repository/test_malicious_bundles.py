"""Malicious bundles: none is executed or served, none makes others wait, and the good one beside them answers."""

import json
import time
from pathlib import Path

import pytest

from forebay.errors import ModelError
from forebay.serving.repository.bundle_folder import find_bundles
from forebay.serving.repository.load_bundle import load_for_serving
from forebay.serving.state import DesiredModel
from support.malicious_bundles import malicious_bundles
from support.tiny_inference_server import server_process

TIMEOUT_S = 180.0  # for one bundle on a busy machine: the first one imports torchvision
IMAGE = [[0] * 8] * 8


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("executed") / "executed"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, executed: Path) -> list[Path]:
    return malicious_bundles(tmp_path_factory.mktemp("bundles"), executed)


def test_each_is_refused_with_one_kind_of_error(bundles: list[Path], executed: Path) -> None:
    assert len(bundles) >= 100
    wrong = {}
    for bundle in bundles:
        began = time.monotonic()
        try:
            load_for_serving(DesiredModel(bundle=str(bundle), version="1", weights_sha256=""))
            wrong[bundle.name] = "served"
        except ModelError as error:
            if str(bundle) not in str(error):
                wrong[bundle.name] = f"does not say where: {error}"
        except BaseException as error:
            wrong[bundle.name] = repr(error)
        if time.monotonic() - began > TIMEOUT_S:
            wrong[bundle.name] = "took too long"
    assert wrong == {}
    assert not executed.exists()


def test_a_server_serves_the_good_one_beside_them_and_no_other(
    bundles: list[Path], executed: Path, tmp_path: Path
) -> None:
    folder = bundles[0].parent
    assert len(find_bundles(folder)) == len(bundles) + 1
    with server_process(folder, tmp_path / "log", ready="/v2/models/good/ready") as server:
        server.predict("good", [IMAGE])
        assert server.request("GET", "/v2/models").json == {"models": ["good"]}
        index = json.loads(server.post("/v2/repository/index", b"{}").body)
        states = {row["name"]: row["state"] for row in index}
        assert states == {bundle.name: "UNAVAILABLE" for bundle in bundles} | {"good": "READY"}
        assert server.request("GET", "/v2/health/ready").status == 503
        bad = bundles[0].name
        for path in (f"/v2/models/{bad}/ready", f"/v1/models/{bad}", f"/v2/models/{bad}"):
            reply = server.request("GET", path)
            assert reply.status == 503
            assert "the server's log says why" in reply.json["error"]
        assert server.post(f"/v1/models/{bad}:predict", b'{"instances": []}').status == 503
        assert server.request("GET", "/v2/models/nobody/ready").status == 404
        assert server.request("GET", "/v2/health/live").status == 200
    assert not executed.exists()
