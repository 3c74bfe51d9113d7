"""A rollout on the wire, and its registry, for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.cluster.rollout import rollout
from forebay.cluster.rollout.rollout import Rollout
from forebay.kube.client import Api
from support.fake_kube import FakeKubeApi, connected, fake_kube_api
from support.fake_rollout import Registry, RollOut, becomes, wanted


@pytest.fixture
def double() -> Iterator[FakeKubeApi]:
    with fake_kube_api(controller=becomes) as running:
        yield running


@pytest.fixture
def api(double: FakeKubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(rollout, "STAYS_S", 0.0)
    return connected(double, tmp_path, monkeypatch)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def roll_out(api: Api, registry: Registry) -> RollOut:
    """Roll a version out; it is champion afterwards."""

    def act(version: str, prove: Any = lambda url: None, then: Any = lambda: None, memory: str = "1Gi") -> str:
        def promote() -> None:
            registry.champion = version
            then()

        champion = registry.champion
        known = wanted(champion) if champion and registry.knows else None
        rollout = Rollout(
            api=api, timeout_s=20, tell=lambda text: None, champion=lambda: registry.champion,
            champions_service=lambda: known,
        )  # fmt: skip
        return rollout.run(wanted(version, memory), prove, promote)

    return act
