"""A rollout whose wire is cut at each of its requests in turn: what is right is served, and the champion is that."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.cluster.rollout import rollout
from forebay.errors import DeployError
from forebay.kube import retries
from forebay.kube.retries import ENDING_S, STARTS_S, WORK_S
from support.connection_faults import KINDS, RETRY_AFTER_S, ROLELESS, Wire
from support.fake_kube import FakeKubeApi, connected, fake_kube_api
from support.fake_rollout import Registry, RollOut, becomes, served


def requests(double: FakeKubeApi, roll_out: RollOut, version: str) -> int:
    """How many requests a rollout makes that nothing disturbs."""
    double.wire = Wire()
    _try(roll_out, version)
    return len(double.wire.asked)


def _try(roll_out: RollOut, version: str) -> str:
    """What a rollout that fails says."""
    try:
        roll_out(version)
    except DeployError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_is_served_and_champion_whichever_request_is_cut(
    kind: str, double: FakeKubeApi, roll_out: RollOut, registry: Registry, clock_of_patience: list[float]
) -> None:
    roll_out("0")
    count = requests(double, roll_out, "1")
    for at in range(count):
        version = str(at + 2)
        double.wire = Wire(kind, at)
        clock_of_patience.clear()
        roll_out(version)
        assert (served(double), registry.champion) == (version, version), at
        assert double.wire.cuts == 1
        assert clock_of_patience == [float(RETRY_AFTER_S) if kind == "busy" else retries.PAUSE_S], at
    assert count > 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_fails_leaves_the_champion_served_whichever_request_is_cut(
    kind: str, double: FakeKubeApi, roll_out: RollOut, registry: Registry
) -> None:
    roll_out("1")
    count = requests(double, roll_out, "bad")
    for at in range(count):
        double.wire = Wire(kind, at)
        assert "Version 1 keeps answering." in _try(roll_out, f"bad{at}"), at
        assert (served(double), registry.champion) == ("1", "1"), at
        assert double.wire.cuts == 1


def test_a_server_that_is_started_while_a_rollout_begins_is_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    roll_out: RollOut,
    double: FakeKubeApi,
    clock_of_patience: list[float],
) -> None:
    """Nothing listens, then it refuses rights for want of roles, then in plain words, then it works."""
    answers: Iterator[tuple[int, str]] = iter([(403, ROLELESS), (403, 'User "x" cannot get resource "y"')])

    def pause(seconds: float) -> None:
        clock_of_patience.append(seconds)
        double.next_refusal = next(answers, None)

    monkeypatch.setattr(retries, "wait", pause)
    double.wire = Wire("reset", 0)
    roll_out("1")
    assert served(double) == "1"
    assert len(clock_of_patience) == 3


def test_a_port_on_which_nothing_listens_yet_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock_of_patience: list[float]
) -> None:
    with fake_kube_api(controller=becomes) as gone:
        api = connected(gone, tmp_path, monkeypatch)
    told: list[str] = []
    api.patience.tell = told.append
    with pytest.raises(Exception, match="Connection refused"):
        api.find(rollout.INFERENCE_SERVICES, "ml", "digits")
    assert WORK_S - 2 <= sum(clock_of_patience) <= WORK_S + 2
    [said] = told
    assert "It is asked again for up to 300 s." in said


@pytest.mark.parametrize(
    ("answer", "bears_s"),
    [
        ((403, 'User "x" cannot get resource "y"'), 0.0),  # a right that is lacking is no matter of time
        ((403, ROLELESS), STARTS_S),  # somebody deleted the role
        ((422, "no"), 0.0),
        ((401, "Unauthorized"), 0.0),
        ((503, "away"), WORK_S),
    ],
)
def test_what_does_not_pass_is_not_waited_for(
    double: FakeKubeApi, roll_out: RollOut, clock_of_patience: list[float], answer: tuple[int, str], bears_s: float
) -> None:
    double.refusal = answer
    with pytest.raises(Exception, match=str(answer[0])):
        roll_out("1")
    assert bears_s - 2 <= sum(clock_of_patience) <= bears_s + 2


def _away(double: FakeKubeApi) -> None:
    double.refusal = (503, "the server is currently unable to handle the request")


def test_a_server_that_stays_away_longer_than_is_borne_leaves_words_that_say_what_is_served_and_what_mends_it(
    double: FakeKubeApi, roll_out: RollOut, registry: Registry, clock_of_patience: list[float]
) -> None:
    roll_out("5")
    with pytest.raises(DeployError) as caught:
        roll_out("8", lambda url: _away(double))
    assert sum(clock_of_patience) > retries.PUT_BACK_S - WORK_S  # what was served is owed to those who use it
    said = str(caught.value)
    assert "Version 8 may go on being served, although version 5 is champion." in said
    assert "`forebay rollback digits --cluster` serves the champion again" in said
    assert (served(double), registry.champion) == ("8", "5")
    double.refusal = None
    clock_of_patience.append(3600.0)
    with pytest.raises(DeployError, match=r"Version 5 keeps answering\.$"):
        roll_out("bad9")  # the next one goes back to the champion, not to what was left
    assert (served(double), registry.champion) == ("5", "5")


def test_a_server_that_comes_back_while_the_old_version_is_put_back_is_waited_for(
    double: FakeKubeApi, roll_out: RollOut, registry: Registry, monkeypatch: pytest.MonkeyPatch,
    clock_of_patience: list[float],
) -> None:  # fmt: skip
    def pause(seconds: float) -> None:
        clock_of_patience.append(seconds)
        if sum(clock_of_patience) > 2 * WORK_S:
            double.refusal = None

    roll_out("5")
    monkeypatch.setattr(retries, "wait", pause)
    with pytest.raises(DeployError, match=r"Version 5 keeps answering\.$"):
        roll_out("8", lambda url: _away(double))
    assert (served(double), registry.champion) == ("5", "5")


def test_a_signal_ends_the_waiting_within_seconds_even_where_it_is_held_back(
    double: FakeKubeApi, roll_out: RollOut, registry: Registry, monkeypatch: pytest.MonkeyPatch,
    clock_of_patience: list[float],
) -> None:  # fmt: skip
    def pause(seconds: float) -> None:
        clock_of_patience.append(seconds)
        if len(clock_of_patience) == 3:
            signal.raise_signal(signal.SIGTERM)

    roll_out("5")
    monkeypatch.setattr(retries, "wait", pause)
    with pytest.raises(SystemExit) as caught:
        roll_out("8", lambda url: _away(double))
    assert caught.value.code == 143
    assert len(clock_of_patience) <= 3 + ENDING_S
    assert registry.champion == "5"
