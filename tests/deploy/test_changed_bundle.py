"""A registered version that was changed since, in one byte of any file: refused by deploy, serve and rollback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay import registry
from forebay.contracts.bundles.spec import HISTORY, SPEC, WEIGHTS
from forebay.errors import ConfigError, ModelError
from forebay.local.server import server_status
from forebay.local.server.champions import champion_url, rollback_version, serve_models
from forebay.local.server.launch import ServerOptions
from forebay.local.server.model_status import model_lines
from forebay.local.server.publish import publish
from forebay.serving.state import DesiredModel
from support.deploy_run import NAME, DeployRun, Released

HERE = ServerOptions("127.0.0.1", 0)
ADDED = "added.json"
SAID = {"removed": "is missing", "added": "was added"}


@pytest.fixture(scope="module")
def first(deploy_run: DeployRun) -> Released:
    """The version that was champion before the present one."""
    released = deploy_run.release(seed=1)
    deploy_run.deploy(released)
    deploy_run.deploy(deploy_run.release(seed=2))
    return released


@contextmanager
def changed(path: Path, change: str) -> Iterator[None]:
    """One change of a file, taken back at the end."""
    whole = path.read_bytes() if path.exists() else None
    if change == "removed":
        path.unlink()
    elif change == "added":
        path.write_text("{}")
    elif change == "turned":
        spec = json.loads(path.read_text())
        path.write_text(json.dumps({**spec, "classes": spec["classes"][::-1]}))
    else:
        place = {"first": 0, "middle": len(whole or b"") // 2, "last": -1}[change]
        data = bytearray(whole or b"")
        data[place] ^= 1
        path.write_bytes(data)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if whole is not None:
            path.write_bytes(whole)


CHANGES = [
    *[(name, place) for name in (SPEC, WEIGHTS, HISTORY) for place in ("first", "middle", "last")],
    (SPEC, "turned"), (HISTORY, "removed"), (ADDED, "added"),
]  # fmt: skip


def test_every_change_is_refused_by_deploy_serve_and_rollback(deploy_run: DeployRun, first: Released) -> None:
    found = registry.resolve(deploy_run.home, f"{NAME}/{first.version}")
    wanted = DesiredModel.from_record(found.folder, found.version, found.weights_sha256, found.record)
    before = deploy_run.loaded
    for name, change in CHANGES:
        words = f"{name} {SAID.get(change, 'was changed')}"
        with changed(first.bundle / name, change):
            with pytest.raises(ModelError, match=words):
                deploy_run.deploy(first)
            with pytest.raises(ConfigError, match=words):
                serve_models(deploy_run.home, (f"{NAME}/{first.version}",), HERE)
            with pytest.raises(ConfigError, match=words):
                rollback_version(deploy_run.home, NAME)  # where `forebay rollback` begins
            answer = publish(deploy_run.home, lambda present: present | {"other": wanted}, 60)  # the server itself
            assert words in answer.error("other")
            publish(deploy_run.home, lambda present: {NAME: present[NAME]}, 60)
    assert deploy_run.loaded == before
    assert rollback_version(deploy_run.home, NAME) == first.version


def test_a_changed_champion_is_not_brought_up_and_the_status_says_what_answers(
    deploy_run: DeployRun, first: Released
) -> None:
    champion = registry.champion(deploy_run.home, NAME)
    assert champion is not None
    with changed(champion.folder / HISTORY, "last"):
        with pytest.raises(ModelError, match=f"{NAME} version {champion.version} is refused: .*{HISTORY} was changed"):
            champion_url(deploy_run.home, NAME, HERE)
        publish(deploy_run.home, lambda _: {}, 60)
        served = DesiredModel.from_record(champion.folder, champion.version, champion.weights_sha256, champion.record)
        publish(deploy_run.home, lambda _: {NAME: served}, 60)
        [line] = model_lines(
            server_status.desired_models(deploy_run.home), server_status.loaded_models(deploy_run.home)
        )
        assert line.startswith(f"  {NAME} version {champion.version}: nothing answers, for {champion.folder} is not")


def test_a_version_from_before_there_was_a_digest_is_served_with_a_note(deploy_run: DeployRun) -> None:
    released = deploy_run.release(seed=3, recorded=False)
    deploy_run.deploy(released)
    assert deploy_run.loaded == {NAME: released.version}
    [line] = model_lines(server_status.desired_models(deploy_run.home), server_status.loaded_models(deploy_run.home))
    assert (
        line == f"  {NAME} version {released.version} (registered by an earlier Forebay: only its weights are checked)"
    )
    server = server_status.running_server(deploy_run.home)
    assert server is not None
    assert "only its weights are checked" in Path(server.log).read_text()
    with changed(released.bundle / WEIGHTS, "middle"), pytest.raises(ModelError, match=r"weights.safetensors: sha256"):
        registry.resolve(deploy_run.home, f"{NAME}/{released.version}")
