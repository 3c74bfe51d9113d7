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
from support.deploy_run import NAME, Released, Station
from support.forebay_command import ForebayHere

ANYWHERE = ServerOptions("127.0.0.1", 0)


@pytest.fixture(scope="module")
def versions(station: Station) -> list[Released]:
    """Three versions, of which the first is champion and served, and the last is damaged."""
    released = [station.release(seed) for seed in (1, 2, 3)]
    (released[2].bundle / WEIGHTS).write_bytes(b"cut short")
    registry.set_champion(station.home, NAME, released[0].version)
    serve_models(station.home, (), ANYWHERE)
    return released


def _reference(released: Released) -> str:
    return f"{NAME}/{released.version}"


def test_a_served_champion_is_left_as_it_is(station: Station, versions: list[Released]) -> None:
    before = server_status.loaded_models(station.home)
    url = champion_url(station.home, NAME, ANYWHERE)
    assert url is not None
    assert url.endswith(f"/v1/models/{NAME}:predict")
    assert server_status.loaded_models(station.home) == before


def test_what_a_kill_before_the_alias_moved_left_served_gives_way_to_the_champion(
    station: Station, versions: list[Released]
) -> None:
    serve_models(station.home, (_reference(versions[1]),), ANYWHERE)
    assert station.loaded[NAME] == versions[1].version
    assert station.champion == versions[0].version
    champion_url(station.home, NAME, ANYWHERE)
    assert station.loaded[NAME] == versions[0].version


def test_a_name_whose_bundle_did_not_load_is_no_answering_champion(station: Station, versions: list[Released]) -> None:
    weights = versions[0].bundle / WEIGHTS
    whole = weights.read_bytes()
    control.stop_server(station.home)
    weights.write_bytes(b"cut short")
    try:
        control.ensure_server(station.home, ANYWHERE)
        assert server_status.loaded_models(station.home)[NAME].error
        with pytest.raises(ModelError, match=rf"{NAME} version 1 is refused: .*weights.safetensors was changed"):
            champion_url(station.home, NAME, ANYWHERE)
    finally:
        weights.write_bytes(whole)
    champion_url(station.home, NAME, ANYWHERE)
    assert station.loaded[NAME] == versions[0].version


def test_a_model_that_cannot_be_loaded_is_not_wanted_after_a_reboot_either(
    station: Station, versions: list[Released]
) -> None:
    before = server_status.desired_models(station.home)
    with pytest.raises(ConfigError, match=r"is refused: .*weights.safetensors was changed"):
        serve_models(station.home, (_reference(versions[2]),), ANYWHERE)
    assert server_status.desired_models(station.home) == before
    assert station.loaded[NAME] == versions[0].version


def test_serving_another_model_leaves_a_candidate_under_test_alone(station: Station, versions: list[Released]) -> None:
    model = replace(server_status.desired_models(station.home)[NAME], candidate=True)
    staged = candidate_name(NAME)
    publish(station.home, lambda present: present | {staged: model}, 30)
    serve_models(station.home, (str(versions[1].bundle),), ANYWHERE)
    assert set(station.loaded) == {NAME, staged, versions[1].bundle.name}
    control.stop_server(station.home)
    serve_models(station.home, (), ANYWHERE)
    assert staged not in station.loaded, "a kill left it"


def test_the_command_rolls_back_to_the_champion_before(station: Station, versions: list[Released]) -> None:
    first, second = versions[0].version, versions[1].version
    registry.set_champion(station.home, NAME, second)
    serve_models(station.home, (_reference(versions[1]),), ANYWHERE)
    forebay = ForebayHere(station.folder, {"FOREBAY_HOME": str(station.home.root)})
    assert forebay("rollback", NAME).stdout.startswith(f"{NAME} version {first} is champion again and answers at http:")
    assert (station.champion, station.loaded[NAME]) == (first, first)
    assert f"Only version {first} was ever champion" in forebay("rollback", NAME, expect=2).stderr
