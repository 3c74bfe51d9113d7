"""A rollout whose wire is cut at each of its requests in turn: what is right is served, and the champion is that."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.errors import DeployError
from forebay.kube.resource_types import INFERENCE_SERVICES
from forebay.kube.retries import BACKGROUND_RETRY_S, RESTORE_RETRY_S
from forebay.kube.timeouts import RetryTimeouts
from support.connection_faults import KINDS, RETRY_AFTER_S, ROLELESS, Wire
from support.fake_kube import FakeKubeApi, connected, fake_kube_api
from support.fake_rollout import Registry, RollOut, becomes, served
from support.manual_clock import ManualClock


def requests(fake: FakeKubeApi, roll_out: RollOut, version: str) -> int:
    """How many requests a rollout makes that nothing disturbs."""
    fake.wire = Wire()
    _try(roll_out, version)
    return len(fake.wire.asked)


def _try(roll_out: RollOut, version: str) -> str:
    """What a rollout that fails says."""
    try:
        roll_out(version)
    except DeployError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_is_served_and_champion_whichever_request_is_cut(
    kind: str, fake: FakeKubeApi, roll_out: RollOut, registry: Registry, clock: ManualClock
) -> None:
    roll_out("0")
    count = requests(fake, roll_out, "1")
    for at in range(count):
        version = str(at + 2)
        fake.wire = Wire(kind, at)
        clock.pauses.clear()
        roll_out(version)
        assert (served(fake), registry.champion) == (version, version), at
        assert fake.wire.cuts == 1
        assert clock.pauses == [float(RETRY_AFTER_S) if kind == "busy" else clock.retry.pause_s], at
    assert count > 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_fails_leaves_the_champion_served_whichever_request_is_cut(
    kind: str, fake: FakeKubeApi, roll_out: RollOut, registry: Registry
) -> None:
    roll_out("1")
    count = requests(fake, roll_out, "bad")
    for at in range(count):
        fake.wire = Wire(kind, at)
        assert "Version 1 keeps answering." in _try(roll_out, f"bad{at}"), at
        assert (served(fake), registry.champion) == ("1", "1"), at
        assert fake.wire.cuts == 1


def test_a_server_that_is_started_while_a_rollout_begins_is_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    roll_out: RollOut,
    fake: FakeKubeApi,
    clock: ManualClock,
) -> None:
    """Nothing listens, then it refuses rights for want of roles, then in plain words, then it works."""
    answers: Iterator[tuple[int, str]] = iter([(403, ROLELESS), (403, 'User "x" cannot get resource "y"')])

    def on_pause() -> None:
        fake.next_refusal = next(answers, None)

    clock.on_pause = on_pause
    fake.wire = Wire("reset", 0)
    roll_out("1")
    assert served(fake) == "1"
    assert len(clock.pauses) == 3


def test_a_port_on_which_nothing_listens_yet_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    with fake_kube_api(controller=becomes) as gone:
        api = connected(gone, tmp_path, monkeypatch, clock)
    told: list[str] = []
    api.retry_budget.tell = told.append
    with pytest.raises(Exception, match="Connection refused"):
        api.find(INFERENCE_SERVICES, "ml", "digits")
    assert BACKGROUND_RETRY_S - 2 <= clock.waited_s <= BACKGROUND_RETRY_S + 2
    [said] = told
    assert "It is asked again for up to 300 s." in said


@pytest.mark.parametrize(
    ("answer", "limit_s"),
    [
        ((403, 'User "x" cannot get resource "y"'), 0.0),  # a right that is lacking is no matter of time
        ((403, ROLELESS), RetryTimeouts().starting_s),  # somebody deleted the role
        ((422, "no"), 0.0),
        ((401, "Unauthorized"), 0.0),
        ((503, "away"), BACKGROUND_RETRY_S),
    ],
)
def test_what_does_not_pass_is_not_waited_for(
    fake: FakeKubeApi, roll_out: RollOut, clock: ManualClock, answer: tuple[int, str], limit_s: float
) -> None:
    fake.refusal = answer
    with pytest.raises(Exception, match=str(answer[0])):
        roll_out("1")
    assert limit_s - 2 <= clock.waited_s <= limit_s + 2


def _away(fake: FakeKubeApi) -> None:
    fake.refusal = (503, "the server is currently unable to handle the request")


def test_a_server_that_stays_away_longer_than_is_borne_leaves_words_that_say_what_is_served_and_what_mends_it(
    fake: FakeKubeApi, roll_out: RollOut, registry: Registry, clock: ManualClock
) -> None:
    roll_out("5")
    with pytest.raises(DeployError) as caught:
        roll_out("8", lambda url: _away(fake))
    assert clock.waited_s > RESTORE_RETRY_S - BACKGROUND_RETRY_S  # what was served is owed to those who use it
    said = str(caught.value)
    assert "Version 8 may go on being served, although version 5 is champion." in said
    assert "`forebay rollback digits --cluster` serves the champion again" in said
    assert (served(fake), registry.champion) == ("8", "5")
    fake.refusal = None
    clock.pauses.append(3600.0)
    with pytest.raises(DeployError, match=r"Version 5 keeps answering\.$"):
        roll_out("bad9")  # the next one goes back to the champion, not to what was left
    assert (served(fake), registry.champion) == ("5", "5")


def test_a_server_that_comes_back_while_the_old_version_is_put_back_is_waited_for(
    fake: FakeKubeApi, roll_out: RollOut, registry: Registry, monkeypatch: pytest.MonkeyPatch,
    clock: ManualClock,
) -> None:  # fmt: skip
    def on_pause() -> None:
        if clock.waited_s > 2 * BACKGROUND_RETRY_S:
            fake.refusal = None

    roll_out("5")
    clock.on_pause = on_pause
    with pytest.raises(DeployError, match=r"Version 5 keeps answering\.$"):
        roll_out("8", lambda url: _away(fake))
    assert (served(fake), registry.champion) == ("5", "5")


def test_a_signal_ends_the_waiting_within_seconds_even_where_it_is_held_back(
    fake: FakeKubeApi, roll_out: RollOut, registry: Registry, monkeypatch: pytest.MonkeyPatch,
    clock: ManualClock,
) -> None:  # fmt: skip
    def on_pause() -> None:
        if len(clock.pauses) == 3:
            signal.raise_signal(signal.SIGTERM)

    roll_out("5")
    clock.on_pause = on_pause
    with pytest.raises(SystemExit) as caught:
        roll_out("8", lambda url: _away(fake))
    assert caught.value.code == 143
    assert len(clock.pauses) <= 3 + clock.retry.after_signal_s
    assert registry.champion == "5"
