"""Requests of the deploy step, carried out on the server by the process that runs the pipeline."""

from dataclasses import replace

from forebay.errors import DeployError, ForebayError
from forebay.local.server.control import ensure_server
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish_or_restore
from forebay.local.server.server_status import code_mismatch_advice
from forebay.local.server.serving_requests import (
    ServingReply,
    ServingRequest,
    candidate_name,
    pending_request,
    write_reply,
)
from forebay.serving.state import DesiredModel
from forebay.state import Home, RunFolder


def handle_request(home: Home, run: RunFolder, options: ServerOptions) -> bool:
    """Carry out the deploy step's request, if one waits; a failure becomes the reply.

    Returns:
        Whether there was one.
    """
    request = pending_request(run)
    if request is None:
        return False
    try:
        reply = _carry_out(home, request, options)
    except (ForebayError, OSError) as error:
        reply = ServingReply(id=request.id, error=str(error))
    write_reply(run, reply)
    return True


def _carry_out(home: Home, request: ServingRequest, options: ServerOptions) -> ServingReply:
    info = ensure_server(home, options)
    serving = candidate_name(request.name) if request.action == "stage" else request.name
    names = () if request.action == "discard" else (serving,)
    published = publish_or_restore(home, lambda present: _models_after(present, request), names, request.timeout_s)
    problem = published.error(serving)
    if problem and names:
        raise DeployError(
            f"{request.name} version {request.model.version} could not be loaded: {problem} Log: {info.log} "
            f"{code_mismatch_advice(home)}".rstrip()
        )
    return ServingReply(id=request.id, url=info.url, serving=serving, previous=published.before.get(request.name))


def _models_after(before: dict[str, DesiredModel], request: ServingRequest) -> dict[str, DesiredModel]:
    """The models after the request; candidates that a killed run left behind are dropped with every action."""
    models = {name: model for name, model in before.items() if not model.candidate}
    if request.action == "stage":
        models[candidate_name(request.name)] = replace(request.model, candidate=True)
    elif request.action == "promote":
        models[request.name] = request.model
    elif request.previous is not None:
        models[request.name] = request.previous
    else:
        models.pop(request.name, None)
    return models
