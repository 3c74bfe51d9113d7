"""`--runner docker` where containers cannot be run: refused before anything begins, with the fix."""

import errno
import socket
from pathlib import Path

import pytest

from forebay import container_images
from forebay.errors import MachineError
from forebay.local.containers import engine
from support.forebay_command import ForebayHere


def test_a_missing_engine_is_named_with_the_package_to_install(tmp_path: Path) -> None:
    cli = ForebayHere(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/nosuch.sock"})
    said = cli("run", "--runner", "docker", expect=2).stderr
    assert f"No container engine answers at unix://{tmp_path}/nosuch.sock" in said
    assert "apt-get install docker.io" in said
    assert not (cli.home / "runs").exists()


def test_a_socket_that_nobody_serves_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(MachineError, match="No container engine answers"):
        engine.check_engine(container_images.RUN_IMAGES)


def test_a_socket_that_one_may_not_use_is_told_from_a_missing_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    from docker.transport.unixconn import UnixHTTPConnection

    def refuse(_: object) -> None:  # root may use every socket; this is what connect() says to others
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(UnixHTTPConnection, "connect", refuse)
    with pytest.raises(MachineError, match="usermod -aG docker"):
        engine.check_engine(container_images.RUN_IMAGES)


def test_an_unknown_runner_is_wrong_use(tmp_path: Path) -> None:
    assert "'process', 'docker'" in ForebayHere(tmp_path)("run", "--runner", "podman", expect=2).stderr


@pytest.mark.parametrize("option", ["name=rootless", "name=userns,profile=x"])
def test_an_engine_with_other_user_ids_is_refused_before_a_run(option: str) -> None:
    engine._check_user_ids(["name=seccomp,profile=default"])
    with pytest.raises(MachineError, match="Point DOCKER_HOST to another engine"):
        engine._check_user_ids(["name=seccomp,profile=default", option])


def test_a_full_disk_of_the_engine_is_named_with_what_frees_it(tmp_path: Path) -> None:
    engine._check_disk(tmp_path / "on-another-machine")
    with pytest.raises(MachineError, match=r"has \d+ MB left, 1 GB is needed\. `docker system prune`"):
        engine._check_disk(tmp_path, min_free_bytes=1 << 62)
