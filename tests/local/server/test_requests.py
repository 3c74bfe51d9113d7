"""The two files between the deploy step and the process that runs the pipeline."""

from dataclasses import replace

import pytest

from forebay.errors import ConfigError
from forebay.local.server.handle_requests import _models_after
from forebay.local.server.serving_requests import (
    ServingReply,
    ServingRequest,
    candidate_name,
    pending_request,
    write_reply,
)
from forebay.serving.state import DesiredModel
from forebay.settings import EvaluateConfig
from forebay.state import Home, write_json

OLD = DesiredModel(bundle="/1", version="1", weights_sha256="a")
NEW = DesiredModel(bundle="/2", version="2", weights_sha256="b")
REQUEST = ServingRequest(action="stage", name="digits", model=NEW, previous=OLD)


def test_a_request_waits_until_its_own_answer_is_written(home: Home) -> None:
    from dataclasses import asdict

    run = home.new_run()
    assert pending_request(run) is None
    write_json(run.serving_request, asdict(REQUEST))
    assert pending_request(run) == REQUEST
    write_reply(run, ServingReply(id="of another request"))
    assert pending_request(run) == REQUEST
    write_reply(run, ServingReply(id=REQUEST.id, previous=OLD))
    assert pending_request(run) is None


def test_every_request_has_its_own_id() -> None:
    assert REQUEST.next("promote").id != REQUEST.id


def test_actions_say_what_should_be_so_a_repeat_changes_nothing() -> None:
    stage, promote, discard = (REQUEST.next(action) for action in ("stage", "promote", "discard"))
    before = {"digits": OLD, "other": OLD}
    staged = _models_after(before, stage)
    assert staged == before | {candidate_name("digits"): replace(NEW, candidate=True)}
    assert _models_after(staged, stage) == staged
    promoted = _models_after(staged, promote)
    assert promoted == {"digits": NEW, "other": OLD}
    assert _models_after(promoted, promote) == promoted
    for state in (staged, promoted, before):
        assert _models_after(state, discard) == before
    assert _models_after(staged, replace(discard, previous=None)) == {"other": OLD}


def test_no_registered_model_can_bear_a_candidates_name() -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.name"):
        EvaluateConfig(name=candidate_name("digits"))
