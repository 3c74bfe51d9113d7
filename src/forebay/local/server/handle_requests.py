"""What the deploy step asks of the process that runs the pipeline, done on the local server."""

from dataclasses import replace

from forebay.errors import DeployError, ForebayError
from forebay.local.server.control import ensure_server, other_code
from forebay.local.server.launch import Address
from forebay.local.server.publish import publish_or_restore
from forebay.local.server.requests import Answer, Request, answer, candidate, pending
from forebay.serving.state import DesiredModel
from forebay.state import Home, RunFolder


def handle_request(home: Home, run: RunFolder, address: Address) -> bool:
    """Serve the deploy step's request, if one waits; a failure becomes the answer.

    Returns:
        Whether there was one.
    """
    request = pending(run)
    if request is None:
        return False
    try:
        reply = _act(home, request, address)
    except (ForebayError, OSError) as error:
        reply = Answer(id=request.id, error=str(error))
    answer(run, reply)
    return True


def _act(home: Home, request: Request, address: Address) -> Answer:
    info = ensure_server(home, address)
    serving = candidate(request.name) if request.action == "stage" else request.name
    names = () if request.action == "discard" else (serving,)
    published = publish_or_restore(home, lambda present: _wanted(present, request), names, request.timeout_s)
    problem = published.error(serving)
    if problem and names:
        raise DeployError(
            f"{request.name} version {request.model.version} could not be loaded: {problem} Log: {info.log} "
            f"{other_code(home)}".rstrip()
        )
    return Answer(id=request.id, url=info.url, serving=serving, previous=published.before.get(request.name))


def _wanted(before: dict[str, DesiredModel], request: Request) -> dict[str, DesiredModel]:
    """The models after the request; candidates that a killed run left behind are dropped with every action."""
    models = {name: model for name, model in before.items() if not model.candidate}
    if request.action == "stage":
        models[candidate(request.name)] = replace(request.model, candidate=True)
    elif request.action == "promote":
        models[request.name] = request.model
    elif request.previous is not None:
        models[request.name] = request.previous
    else:
        models.pop(request.name, None)
    return models
