"""How long a problem of pods has lasted, and which events are new."""

from pathlib import Path

import pytest

from forebay.kube.pod_problems import PodProblem
from forebay.kube.problem_tracker import NewEvents, ProblemTracker
from support.fake_kube import Object, connected, fake_kube_api
from support.manual_clock import ManualClock

IMAGE = PodProblem(kind="Image", text="The container image cannot be pulled.")
NO_ROOM = PodProblem(kind="Unschedulable", text="No node takes the pod.", is_permanent=False)


class Seconds:
    """A clock that the test sets."""

    now = 0.0


def tracker(passing_grace_s: float | None = None) -> tuple[ProblemTracker, Seconds, list[str]]:
    told: list[str] = []
    clock = Seconds()
    return ProblemTracker(10.0, passing_grace_s, told.append, lambda: clock.now), clock, told


def test_a_problem_that_lasts_as_long_as_its_grace_is_returned_and_told_once() -> None:
    tracked, clock, told = tracker()
    assert tracked.update(IMAGE) is None
    clock.now = 9.9
    assert tracked.update(IMAGE) is None
    clock.now = 10.0
    assert tracked.update(IMAGE) is IMAGE
    assert tracked.current is IMAGE
    assert told == [IMAGE.text]


def test_a_grace_of_zero_ends_at_the_first_look() -> None:
    assert ProblemTracker(0.0).update(IMAGE) is IMAGE


def test_another_problem_and_a_look_without_one_start_the_time_anew() -> None:
    tracked, clock, told = tracker()
    for at, found in ((0.0, IMAGE), (9.0, None), (12.0, IMAGE), (20.0, NO_ROOM), (25.0, IMAGE), (34.9, IMAGE)):
        clock.now = at
        assert tracked.update(found) is None, at
    clock.now = 35.0
    assert tracked.update(IMAGE) is IMAGE
    assert told == [IMAGE.text, IMAGE.text, NO_ROOM.text, IMAGE.text]


@pytest.mark.parametrize(("passing_grace_s", "expected"), [(None, None), (300.0, NO_ROOM)])
def test_what_may_solve_itself_has_a_grace_of_its_own_or_none_at_all(
    passing_grace_s: float | None, expected: PodProblem | None
) -> None:
    tracked, clock, _ = tracker(passing_grace_s)
    assert tracked.update(NO_ROOM) is None
    clock.now = 299.0
    assert tracked.update(NO_ROOM) is None
    clock.now = 300.0
    assert tracked.update(NO_ROOM) is expected


def test_the_text_of_the_same_kind_may_name_another_pod_without_starting_anew() -> None:
    tracked, clock, told = tracker()
    tracked.update(IMAGE)
    clock.now = 10.0
    other = PodProblem(kind="Image", text="The container image of another pod cannot be pulled.")
    assert tracked.update(other) is other
    assert told == [IMAGE.text]


def test_an_event_is_new_where_it_is_another_one_or_happened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def event(uid: str, revision: str) -> Object:
        return {"metadata": {"uid": uid, "resourceVersion": revision}, "reason": "FailedCreate"}

    with fake_kube_api(controller=lambda wanted: ({}, [])) as fake:
        fake.events = [event("a", "1"), event("b", "1")]
        new = NewEvents(connected(fake, tmp_path, monkeypatch, ManualClock()), "ml", ["reason=FailedCreate"])
        assert new.list_all() == []
        fake.events = [event("a", "2"), event("b", "1"), event("c", "1")]
        assert new.list_all() == [event("a", "2"), event("c", "1")]
