"""An install that cannot start, refused early or given up: Helm says so, and nothing half-applied stays behind."""

from typing import Any

import pytest

from support.helm_chart import Values
from support.live_helm_release import KEPT, Release, everything, succeeded


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"postgres": {"existingSecret": "absent"}}, id="a Secret that is not there"),
        pytest.param({"s3": {"storage": {"className": "absent"}}}, id="a storage class that is not there"),
        pytest.param({"images": {"postgres": "docker.io/forebay/absent:0.0.0"}}, id="an image that is not there"),
    ],
)
def test_an_install_that_cannot_start_leaves_nothing_but_what_is_kept(
    cluster: Any, spare: Release, values: Values
) -> None:
    done = spare.upgrade(values, "--atomic", "--timeout", "20s")
    assert done.returncode, done.stdout
    assert "not found" in spare.helm("status").stderr
    dependent = "pods,replicasets,controllerrevisions,endpoints,endpointslices"
    succeeded(spare.kubectl("wait", "--for=delete", dependent, "--timeout=180s"))
    assert {kind for kind, _ in everything(cluster, spare)} <= KEPT


def test_an_install_beside_a_release_with_the_same_served_models_is_refused_whole(
    cluster: Any, spare: Release, release: Release
) -> None:
    done = Release(spare.name, spare.namespace, {}).upgrade(None, "--atomic", "--timeout", "20s")
    assert done.returncode
    assert release.name in done.stderr
    assert {kind for kind, _ in everything(cluster, spare)} <= KEPT
