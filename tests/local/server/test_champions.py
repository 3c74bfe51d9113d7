"""The registry's champion and the server agree, whatever a kill or a broken bundle left behind."""

from dataclasses import replace

import pytest

from forebay import registry
from forebay.contracts.bundles.spec import WEIGHTS
from forebay.errors import ConfigError, ModelError
from forebay.local.server import control, server_status
from forebay.local.server.champions import champion_url, serve_models
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.local.server.serving_requests import candidate_name
from support.deploy_run import NAME, DeployRun, Released
from support.forebay_command import ForebayHere

ANYWHERE = ServerOptions("127.0.0.1", 0)


@pytest.fixture(scope="module")
def versions(deploy_run: DeployRun) -> list[Released]:
    """Three versions, of which the first is champion and served, and the last is damaged."""
    released = [deploy_run.release(seed) for seed in (1, 2, 3)]
    (released[2].bundle / WEIGHTS).write_bytes(b"cut short")
    registry.set_champion(deploy_run.home, NAME, released[0].version)
    serve_models(deploy_run.home, (), ANYWHERE)
    return released


def _reference(released: Released) -> str:
    return f"{NAME}/{released.version}"


def test_a_served_champion_is_left_as_it_is(deploy_run: DeployRun, versions: list[Released]) -> None:
    before = server_status.loaded_models(deploy_run.home)
    url = champion_url(deploy_run.home, NAME, ANYWHERE)
    assert url is not None
    assert url.endswith(f"/v1/models/{NAME}:predict")
    assert server_status.loaded_models(deploy_run.home) == before


def test_what_a_kill_before_the_alias_moved_left_served_gives_way_to_the_champion(
    deploy_run: DeployRun, versions: list[Released]
) -> None:
    serve_models(deploy_run.home, (_reference(versions[1]),), ANYWHERE)
    assert deploy_run.loaded[NAME] == versions[1].version
    assert deploy_run.champion == versions[0].version
    champion_url(deploy_run.home, NAME, ANYWHERE)
    assert deploy_run.loaded[NAME] == versions[0].version


def test_a_name_whose_bundle_did_not_load_is_no_answering_champion(
    deploy_run: DeployRun, versions: list[Released]
) -> None:
    weights = versions[0].bundle / WEIGHTS
    whole = weights.read_bytes()
    control.stop_server(deploy_run.home)
    weights.write_bytes(b"cut short")
    try:
        control.ensure_server(deploy_run.home, ANYWHERE)
        assert server_status.loaded_models(deploy_run.home)[NAME].error
        with pytest.raises(ModelError, match=rf"{NAME} version 1 is refused: .*weights.safetensors was changed"):
            champion_url(deploy_run.home, NAME, ANYWHERE)
    finally:
        weights.write_bytes(whole)
    champion_url(deploy_run.home, NAME, ANYWHERE)
    assert deploy_run.loaded[NAME] == versions[0].version


def test_a_model_that_cannot_be_loaded_is_not_wanted_after_a_reboot_either(
    deploy_run: DeployRun, versions: list[Released]
) -> None:
    before = server_status.desired_models(deploy_run.home)
    with pytest.raises(ConfigError, match=r"is refused: .*weights.safetensors was changed"):
        serve_models(deploy_run.home, (_reference(versions[2]),), ANYWHERE)
    assert server_status.desired_models(deploy_run.home) == before
    assert deploy_run.loaded[NAME] == versions[0].version


def test_serving_another_model_leaves_a_candidate_under_test_alone(
    deploy_run: DeployRun, versions: list[Released]
) -> None:
    model = replace(server_status.desired_models(deploy_run.home)[NAME], candidate=True)
    staged = candidate_name(NAME)
    publish(deploy_run.home, lambda present: present | {staged: model}, 30)
    serve_models(deploy_run.home, (str(versions[1].bundle),), ANYWHERE)
    assert set(deploy_run.loaded) == {NAME, staged, versions[1].bundle.name}
    control.stop_server(deploy_run.home)
    serve_models(deploy_run.home, (), ANYWHERE)
    assert staged not in deploy_run.loaded, "a kill left it"


def test_the_command_rolls_back_to_the_champion_before(deploy_run: DeployRun, versions: list[Released]) -> None:
    first, second = versions[0].version, versions[1].version
    registry.set_champion(deploy_run.home, NAME, second)
    serve_models(deploy_run.home, (_reference(versions[1]),), ANYWHERE)
    forebay = ForebayHere(deploy_run.folder, {"FOREBAY_HOME": str(deploy_run.home.root)})
    assert forebay("rollback", NAME).stdout.startswith(f"{NAME} version {first} is champion again and answers at http:")
    assert (deploy_run.champion, deploy_run.loaded[NAME]) == (first, first)
    assert f"Only version {first} was ever champion" in forebay("rollback", NAME, expect=2).stderr
