"""An upgrade to other values, one that cannot work, and an uninstall: what people made is there afterwards."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.live_helm_release import KEPT, Release, Run, everything, found, passwords, succeeded

CHANGED = {
    "mlflow": {"auth": {"defaultPermission": "NO_PERMISSIONS"}},
    "postgres": {"resources": {"requests": {"cpu": "60m"}}},
    "s3": {"resources": {"requests": {"cpu": "40m"}}},
}


@dataclass(frozen=True)
class State:
    """What must survive, and the pods, which must not."""

    passwords: dict[str, dict[str, str]]
    volumes: dict[str, str]
    pods: set[str]

    @staticmethod
    def of(cluster: Any, release: Release) -> "State":
        claims = found(cluster, release, "PersistentVolumeClaim")
        return State(
            passwords(cluster, release),
            {claim.metadata.name: claim.metadata.uid for claim in claims},
            {pod.metadata.uid for pod in found(cluster, release, "Pod") if not pod.metadata.deletionTimestamp},
        )


@pytest.fixture(scope="module")
def run_before(cluster: Any, release: Release) -> Run:
    """A run that was written before anything changed."""
    return Run.write(cluster, release)


@pytest.fixture(scope="module")
def upgraded(cluster: Any, release: Release, run_before: Run) -> tuple[State, State]:
    """Before and after an upgrade that restarts every pod."""
    before = State.of(cluster, release)
    succeeded(release.upgrade(CHANGED))
    return before, State.of(cluster, release)


def test_an_upgrade_brings_the_values_to_new_pods(
    cluster: Any, release: Release, upgraded: tuple[State, State]
) -> None:
    before, after = upgraded
    assert len(after.pods) == 3
    assert not before.pods & after.pods
    (config,) = found(cluster, release, "ConfigMap")
    assert "default_permission = NO_PERMISSIONS" in config.data["basic_auth.ini"]


def test_an_upgrade_keeps_every_generated_password(upgraded: tuple[State, State]) -> None:
    before, after = upgraded
    made = ["forebay-mlflow-auth", "forebay-mlflow-runner", "forebay-postgres", "forebay-s3"]
    assert sorted(before.passwords) == made
    assert after.passwords == before.passwords


def test_an_upgrade_keeps_the_volumes(upgraded: tuple[State, State]) -> None:
    before, after = upgraded
    assert sorted(before.volumes) == ["data-forebay-postgres-0", "data-forebay-s3-0"]
    assert after.volumes == before.volumes


@pytest.mark.usefixtures("upgraded")
def test_a_run_from_before_the_upgrade_is_read_after_it(
    cluster: Any, release: Release, run_before: Run, tmp_path: Path
) -> None:
    assert run_before.read(cluster, release, tmp_path) == run_before


def test_an_upgrade_that_cannot_start_is_rolled_back_and_everything_answers(
    cluster: Any, release: Release, run_before: Run, tmp_path: Path
) -> None:
    absent = {"images": {"postgres": "docker.io/forebay/absent:0.0.0", "s3": "docker.io/forebay/absent:0.0.0"}}
    assert release.upgrade(absent, "--atomic", "--timeout", "1m").returncode
    assert "deployed" in succeeded(release.helm("status"))
    succeeded(release.kubectl("rollout", "status", "deployments,statefulsets", "--timeout=180s"))
    assert run_before.read(cluster, release, tmp_path) == run_before


def test_an_uninstall_leaves_passwords_and_volumes_which_the_next_install_takes(
    cluster: Any, release: Release, run_before: Run, tmp_path: Path
) -> None:
    before = State.of(cluster, release)
    release.uninstall()
    left = everything(cluster, release)
    succeeded(release.upgrade())
    assert {kind for kind, _ in left} == KEPT
    assert {name for _, name in left} == {*before.passwords, *before.volumes}
    after = State.of(cluster, release)
    assert (after.passwords, after.volumes) == (before.passwords, before.volumes)
    assert run_before.read(cluster, release, tmp_path) == run_before
