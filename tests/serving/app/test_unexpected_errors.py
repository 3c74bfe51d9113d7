"""A bug of the server leads to one response in the form of every error and to a line in the log, never to a second."""

import asyncio
import logging

import orjson
import pytest
from kserve import ModelRepository

from forebay.serving.admission.control import AdmissionControl
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.http.access import AccessPolicy
from forebay.serving.http.asgi import Application, Message, Receive, Scope, Send
from forebay.serving.repository.model_manager import ModelManager
from forebay.settings import ServeConfig


def _ask(sdk: Application) -> list[Message]:
    """The messages that are sent for a GET which the SDK's application answers."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    access = AccessPolicy(ServeConfig(), loopback=True)
    app = InferenceApp(ModelManager(ModelRepository()), sdk, access, AdmissionControl())
    asyncio.run(app({"method": "GET", "path": "/v2", "headers": []}, receive, send))
    return sent


def test_what_nobody_foresaw_is_answered_in_our_form_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def sdk(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        start, *rest = _ask(sdk)
    assert start["status"] == 500
    assert "ZeroDivisionError" in orjson.loads(b"".join(message["body"] for message in rest))["error"]
    assert "could not be answered" in caplog.text


def test_an_answer_that_has_begun_is_not_followed_by_another() -> None:
    async def sdk(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    assert [message["type"] for message in _ask(sdk)] == ["http.response.start"]
