"""Fixtures of the doctor's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_double import ClusterDouble, cluster_double


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which S3 is not set up, whatever this machine's is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


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
