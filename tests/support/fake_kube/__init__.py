"""A Kubernetes API server on the wire: one fake, with as much of a cluster behind it as a test asks for.

`fake_kube_api` holds objects, answers look-ups and reviews of rights, and lets a controller of the test's decide what
becomes of applied custom objects. `fake_cluster` fills it with what the chart renders, and really runs pods.
"""

from support.fake_kube.api import FakeKubeApi, Object, connected, fake_kube_api
from support.fake_kube.platform import FakeCluster, cluster_with_pipelines, fake_cluster

__all__ = [
    "FakeCluster",
    "FakeKubeApi",
    "Object",
    "cluster_with_pipelines",
    "connected",
    "fake_cluster",
    "fake_kube_api",
]
