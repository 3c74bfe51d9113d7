"""A signal at each moment of a rollout: what was proved answers, or the new version is champion."""

import signal
from typing import Any

import pytest
from test.support import catch_unraisable_exception

from forebay.errors import DeployError
from forebay.kube.client import KubeClient
from forebay.signals import signal_guard
from support.fake_kube import FakeKubeApi
from support.fake_rollout import Registry, RollOut, served


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_puts_back_what_was_and_ends_the_step(
    roll_out: RollOut, fake: FakeKubeApi, number: signal.Signals, status: int
) -> None:
    roll_out("1")
    with pytest.raises(SystemExit) as caught:
        roll_out("2", lambda url: signal.raise_signal(number))
    assert caught.value.code == status
    assert served(fake) == "1"


def test_a_signal_to_a_first_version_leaves_nothing(roll_out: RollOut, fake: FakeKubeApi) -> None:
    with pytest.raises(SystemExit):
        roll_out("1", lambda url: signal.raise_signal(signal.SIGTERM))
    assert fake.custom_objects == {}


def test_a_signal_while_the_alias_moves_comes_too_late(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    roll_out("1")
    roll_out("2", then=lambda: signal.raise_signal(signal.SIGTERM))
    assert (served(fake), registry.champion) == ("2", "2")


def test_a_signal_whose_exception_python_drops_is_obeyed_all_the_same() -> None:
    class Ends:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with signal_guard() as guard:
        with catch_unraisable_exception():
            Ends()
        with pytest.raises(SystemExit):
            guard.raise_if_signalled()


@pytest.mark.parametrize("verb", ["DELETE", "PATCH"])
def test_a_signal_in_the_middle_of_putting_back_comes_after_it(
    roll_out: RollOut, fake: FakeKubeApi, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    if verb == "PATCH":
        roll_out("1")
    method = {"DELETE": "delete", "PATCH": "apply"}[verb]
    before = getattr(KubeClient, method)

    def interrupted(self: KubeClient, *words: Any) -> Any:
        if fake.custom_objects and served(fake) == "2":
            signal.raise_signal(signal.SIGTERM)
        return before(self, *words)

    def otherwise(url: str) -> None:
        monkeypatch.setattr(KubeClient, method, interrupted)
        raise DeployError("probabilities differ.")

    with pytest.raises(SystemExit):
        roll_out("2", otherwise)
    assert [served(fake)] == ["1"] if verb == "PATCH" else fake.custom_objects == {}
