"""Signed models on a cluster: who gets which key, and that nobody gets another."""

import helm_python
import pytest

from forebay.settings.cluster_environment import SIGNING_FOLDER, SIGNING_KEY, VERIFY_KEY
from support.helm_chart import Object, objects, render, scenario

SIGNED = "cloud-gpu"  # the scenario that signs


def steps(values: dict[str, object]) -> Object:
    """What steps are told."""
    found = [each for each in objects(values) if each["kind"] == "ConfigMap"]
    (data,) = (each["data"] for each in found if each["metadata"]["name"] == "forebay-steps")
    return data


def test_steps_are_told_the_place_of_the_private_key_and_every_server_the_public_ones() -> None:
    values = scenario(SIGNED)
    public = values["signing"]["verifyKeys"]
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    given = steps(values)
    assert (given[SIGNING_KEY], given[VERIFY_KEY]) == (f"{SIGNING_FOLDER}/key.pem", public)
    runtimes = [each for each in objects(values) if each["kind"] == "ServingRuntime"]
    assert len(runtimes) == 2
    for runtime in runtimes:
        assert {"name": VERIFY_KEY, "value": public} in runtime["spec"]["containers"][0]["env"]


def test_by_default_nothing_is_signed_or_verified() -> None:
    assert {SIGNING_KEY, VERIFY_KEY} & steps({}).keys() == set()
    assert all(VERIFY_KEY not in text for text in render({}).values())


def test_a_private_key_in_the_values_is_refused_and_not_shown() -> None:
    text = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n"
    with pytest.raises(helm_python.HelmError, match=r"signing\.verifyKeys holds a private key") as caught:
        render({"signing": {"enabled": True, "verifyKeys": text}})
    assert "MHcCAQEE" not in str(caught.value)
