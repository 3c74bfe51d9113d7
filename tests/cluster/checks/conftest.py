"""A cluster on the wire, for the tests of this folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_kube import FakeCluster, fake_cluster


def point_at(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this process, whose client looked for the variable when it was imported, and for its children."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A cluster on which everything is well, and the kubeconfig of this process that names it."""
    with fake_cluster(tmp_path) as made:
        (tmp_path / "kubeconfig").write_text(json.dumps(made.kubeconfig()))
        point_at(tmp_path / "kubeconfig", monkeypatch)
        yield made
