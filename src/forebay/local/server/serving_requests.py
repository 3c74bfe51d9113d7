"""How the deploy step asks the process that runs the pipeline to act on the server, through two files of the run.

The step must not start processes (nothing a step starts may outlive it, and in a container it could not), so it
writes a request and waits for the reply that carries the request's id. Asking again, or replying again after a kill,
does no harm: every action says what should be served, not what should change.

- `stage`: serve the model as NAME.candidate, beside what NAME serves; the reply tells what that is (`previous`);
- `promote`: NAME serves the model, the candidate is gone;
- `discard`: the candidate is gone and NAME serves `previous` again (nothing, where there was nothing).
"""

import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from forebay.errors import DeployError
from forebay.serving.state import DesiredModel
from forebay.state import RunFolder, read_json, write_json

Action = Literal["stage", "promote", "discard"]


@dataclass(frozen=True, kw_only=True)
class ServingRequest:
    """What the deploy step asks for."""

    action: Action
    name: str  # registered model name
    model: DesiredModel
    previous: DesiredModel | None = None  # for discard: what the reply to stage told
    timeout_s: float = 120.0  # time for loading and readiness
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def next(self, action: Action) -> "ServingRequest":
        """A new request about the same model."""
        return replace(self, action=action, id=secrets.token_hex(8))


@dataclass(frozen=True, kw_only=True)
class ServingReply:
    """What was done about a request."""

    id: str  # id of the request
    url: str = ""  # URL of the server, for example http://127.0.0.1:8090
    serving: str = ""  # name to send requests to: NAME or NAME.candidate
    previous: DesiredModel | None = None  # what NAME served when the request came
    error: str = ""  # why it was not done, in one paragraph; empty where it was


def candidate_name(name: str) -> str:
    """The name under which a version is tested before it takes over."""
    return f"{name}.candidate"  # `evaluate.name` allows no dot, so this is never a registered name


def send_request(run: RunFolder, request: ServingRequest, timeout_s: float, poll_s: float = 0.05) -> ServingReply:
    """Write the request and wait for its reply (called by the deploy step).

    Raises:
        DeployError: it could not be done, or nobody answered in time.
    """
    write_json(run.serving_request, asdict(request))
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = _read_reply(run)
        if found is not None and found.id == request.id:
            if found.error:
                raise DeployError(found.error)
            return found
        time.sleep(poll_s)
    raise DeployError(
        f"{run.serving_request}: nobody answered the request to {request.action} {request.name} within "
        f"{timeout_s:g} s. The process that runs the pipeline answers it; start the run again with `forebay run`, or "
        "raise deploy.timeout_s on a slow machine."
    )


def pending_request(run: RunFolder) -> ServingRequest | None:
    """The request that waits for a reply, if any (called by the process that runs the pipeline)."""
    try:
        value = read_json(run.serving_request)
    except FileNotFoundError:
        return None
    request = ServingRequest(
        **{**value, "model": DesiredModel(**value["model"]), "previous": _served(value["previous"])}
    )
    found = _read_reply(run)
    return None if found is not None and found.id == request.id else request


def write_reply(run: RunFolder, reply: ServingReply) -> None:
    """Write the reply to a request."""
    write_json(run.serving_answer, asdict(reply))


def _read_reply(run: RunFolder) -> ServingReply | None:
    try:
        value = read_json(run.serving_answer)
    except FileNotFoundError:
        return None
    return ServingReply(**{**value, "previous": _served(value["previous"])})


def _served(value: dict[str, Any] | None) -> DesiredModel | None:
    return None if value is None else DesiredModel(**value)
