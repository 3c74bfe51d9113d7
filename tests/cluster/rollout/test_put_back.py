"""What answers after a rollout failed or was killed: what was proved last, over the wire."""

from typing import Any

import pytest

from forebay.cluster.rollout.inference_service import VERSION_LABEL
from forebay.errors import DeployError
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.resource_types import INFERENCE_SERVICES
from support.fake_kube import FakeKubeApi, Object
from support.fake_rollout import CRASH, Registry, RollOut, memory, served, wanted


def test_a_first_version_that_fails_leaves_nothing(roll_out: RollOut, fake: FakeKubeApi) -> None:
    fake.log = "usage: python -m forebay.serving\nerror: unrecognized arguments: --nope\n"
    with pytest.raises(DeployError) as caught:
        roll_out("bad")
    said = str(caught.value)
    assert "digits version bad was not made champion: The server does not stay up: kserve-container of probe-" in said
    assert "Its last lines: usage: python -m forebay.serving | error: unrecognized arguments: --nope" in said
    assert said.endswith("Nothing is served instead.")
    assert fake.custom_objects == {}


INVALID = (
    'fails to reconcile predictor: Deployment.apps "digits-predictor" is invalid: '
    'spec.template.spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal to memory '
    "limit of 64Mi"
)


def rejection(message: str, uid: str = "e-1", about: str = "digits") -> Object:
    """KServe's event about an object that it could not make."""
    return {
        "metadata": {"uid": uid, "resourceVersion": "7"}, "reason": "InternalError", "type": "Warning",
        "involvedObject": {"kind": "InferenceService", "name": about}, "message": message,
    }  # fmt: skip


def test_a_deployment_that_the_cluster_refuses_is_not_waited_out(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    """Limits below requests: KServe tries for ever, and tells nobody but by an event."""
    roll_out("1")
    plan, old = fake.controller, fake.pods

    def refused(service: Object) -> tuple[Object, list[Object]]:
        if service["metadata"]["labels"][VERSION_LABEL] == "1":
            return plan(service)
        fake.events.append(rejection(INVALID, "e-2"))
        return {}, old

    fake.events, fake.controller = [rejection("of an earlier try is invalid: x")], refused
    with pytest.raises(DeployError) as caught:
        roll_out("2")
    said = str(caught.value)
    assert (
        f"KServe cannot make what the server needs: {INVALID}. See deploy.gpus and deploy.memory, and serving" in said
    )
    assert said.endswith("Version 1 keeps answering.")
    assert (served(fake), registry.champion) == ("1", "1")


@pytest.mark.parametrize(
    "event",
    [
        rejection("fails to reconcile predictor: failed calling webhook: connection refused"),  # passes
        rejection(f"{INVALID}: the object has been modified; please apply your changes to the latest version"),
        rejection(INVALID, about="another"),
    ],
)
def test_what_kserve_mends_itself_and_what_is_another_models_ends_no_rollout(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry, event: Object
) -> None:
    plan = fake.controller

    def late(service: Object) -> tuple[Object, list[Object]]:
        fake.events.append(event)
        fake.next_states = [({}, []), ({}, []), plan(service)]
        return {}, []

    fake.controller = late
    roll_out("1")
    assert (served(fake), registry.champion) == ("1", "1")


def test_the_version_before_is_put_back_whole_and_answers(roll_out: RollOut, fake: FakeKubeApi) -> None:
    roll_out("1")
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert {key: fake.custom_objects["digits"][key] for key in ("apiVersion", "kind", "spec")} == {
        key: wanted("1")[key] for key in ("apiVersion", "kind", "spec")
    }
    assert fake.custom_objects["digits"]["metadata"]["labels"] == wanted("1")["metadata"]["labels"]


def test_a_version_that_answers_otherwise_is_put_back_too(roll_out: RollOut, fake: FakeKubeApi) -> None:
    roll_out("1")

    def otherwise(url: str) -> None:
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"probabilities differ\. Version 1 keeps answering"):
        roll_out("2", otherwise)
    assert served(fake) == "1"


def test_what_a_killed_rollout_left_is_not_what_is_put_back(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi
) -> None:
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("bad"))  # and its pod was killed before anything else
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert served(fake) == "1"


def test_a_champion_that_was_applied_anew_and_never_came_up_is_put_back_as_it_was_proved(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi
) -> None:
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("1", "1Mi"))
    fake.custom_objects["digits"]["status"] = CRASH["service"]["status"]
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert memory(fake) == "1Gi"


def test_a_first_version_that_was_killed_and_fails_when_it_is_tried_again_leaves_nothing(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi
) -> None:
    api.apply(INFERENCE_SERVICES, wanted("bad"))
    with pytest.raises(DeployError, match=r"Nothing is served instead\.$"):
        roll_out("bad")
    assert fake.custom_objects == {}


def test_where_nobody_knows_how_the_champion_was_served_what_is_there_stays(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    registry.champion, registry.knows = "7", False
    api.apply(INFERENCE_SERVICES, wanted("1"))
    with pytest.raises(DeployError, match=r"Version 1 is there as before\.$"):
        roll_out("bad")


def test_what_was_never_proved_is_not_said_to_answer(api: KubeClient, roll_out: RollOut, fake: FakeKubeApi) -> None:
    api.apply(INFERENCE_SERVICES, wanted("1"))
    with pytest.raises(DeployError, match=r"Version 1 is there as before\.$"):
        roll_out("bad")


def test_what_a_killed_rollout_left_is_put_right_although_nothing_was_applied(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi
) -> None:
    """It is not somebody else's."""
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("5"))
    fake.custom_objects["digits"]["status"] = {}
    apply = KubeClient.apply

    def refused(self: KubeClient, resource: Any, service: Object) -> Object:
        if service["metadata"]["labels"][VERSION_LABEL] == "6":
            raise ApiError("admission refuses it.", 422)
        return apply(self, resource, service)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KubeClient, "apply", refused)
        with pytest.raises(DeployError, match=r"admission refuses it\. Version 1 keeps answering\.$"):
            roll_out("6")
    assert served(fake) == "1"
