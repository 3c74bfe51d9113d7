"""A rollout on the wire, and its registry, for the tests of this folder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.cluster.rollout.rollout import Rollout
from forebay.kube.client import KubeClient
from support.fake_kube import FakeCluster, FakeKubeApi, cluster_with_pipelines, connected, fake_kube_api
from support.fake_rollout import Registry, RollOut, becomes, wanted
from support.forebay_command import ForebayHere
from support.manual_clock import ManualClock


@pytest.fixture
def fake() -> Iterator[FakeKubeApi]:
    with fake_kube_api(controller=becomes) as running:
        yield running


@pytest.fixture
def api(fake: FakeKubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> KubeClient:
    return connected(fake, tmp_path, monkeypatch, clock)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def roll_out(api: KubeClient, registry: Registry, clock: ManualClock) -> RollOut:
    """Roll a version out; it is champion afterwards."""

    def act(
        version: str,
        verify: Any = lambda url: None,
        then: Any = lambda: None,
        memory: str = "1Gi",
        settle_s: float = 30.0,
    ) -> str:
        def promote() -> None:
            registry.champion = version
            then()

        champion = registry.champion
        known = wanted(champion) if champion and registry.knows else None
        rollout = Rollout(
            api=api, limit_s=20, tell=lambda text: None, champion=lambda: registry.champion,
            champion_service=lambda: known, timeouts=replace(clock.timeouts.rollout, settle_s=settle_s),
        )  # fmt: skip
        return rollout.run(wanted(version, memory), verify, promote)

    return act


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A cluster that KUBECONFIG names, with Kubeflow Pipelines in it."""
    with cluster_with_pipelines(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def forebay(tmp_path: Path) -> ForebayHere:
    return ForebayHere(tmp_path)
