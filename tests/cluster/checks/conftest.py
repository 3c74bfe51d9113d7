"""A cluster on the wire, for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_cluster import ClusterDouble, cluster_double


def point_at(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this process, whose client looked for the variable when it was imported, and for its children."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterDouble]:
    """A cluster on which everything is well, and the kubeconfig of this process that names it."""
    with cluster_double(tmp_path) as made:
        (tmp_path / "kubeconfig").write_text(made.kubeconfig())
        point_at(tmp_path / "kubeconfig", monkeypatch)
        yield made
