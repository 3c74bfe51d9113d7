"""A bug of the server leads to one response in the form of every error and to a line in the log, never to a second."""

import asyncio
import logging

import orjson
import pytest

from forebay.serving.admission.control import AdmissionControl
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.http.access import AccessPolicy
from forebay.serving.http.asgi import Message
from forebay.serving.repository.model_manager import ModelManager
from forebay.settings import ServeConfig


class ForgetfulModels(ModelManager):
    """Models with a bug."""

    def names(self) -> list[str]:
        raise ZeroDivisionError


def _ask(models: ModelManager, fail_at: str = "") -> list[Message]:
    """The messages that are sent for a GET; sending one of the type `fail_at` fails."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == fail_at:
            raise ZeroDivisionError

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    app = InferenceApp(models, AccessPolicy(ServeConfig(), loopback=True), AdmissionControl())
    asyncio.run(app({"method": "GET", "path": "/v2/models", "headers": []}, receive, send))
    return sent


def test_what_nobody_foresaw_is_answered_in_our_form_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        start, *rest = _ask(ForgetfulModels())
    assert start["status"] == 500
    assert "ZeroDivisionError" in orjson.loads(b"".join(message["body"] for message in rest))["error"]
    assert "could not be answered" in caplog.text


def test_an_answer_that_has_begun_is_not_followed_by_another() -> None:
    sent = _ask(ModelManager(), fail_at="http.response.body")
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
