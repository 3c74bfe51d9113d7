"""Parameters of the V2 protocol, its extensions among them: what is known, what is harmless, and what is refused.

A parameter that nobody follows would change the answer without a word, so an unknown one is refused by name. Those that
only ask for order, patience or state, which a model without state has no use for, are passed over: clients send them
to every server.
"""

from typing import Any

from forebay.serving.http.refusal import RefusedError, shown

BINARY_OUTPUT = "binary_data_output"
BINARY_SIZE = "binary_data_size"
BINARY = "binary_data"
CLASSIFICATION = "classification"
CONTENT_TYPE = "content_type"  # MLServer's clients say by it that a tensor is one
HARMLESS = (
    "priority",
    "timeout",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "triton_enable_empty_final_response",
)
OF_REQUEST = (BINARY_OUTPUT, CONTENT_TYPE, *HARMLESS)
OF_INPUT = (BINARY_SIZE, CONTENT_TYPE)
OF_OUTPUT = (BINARY, CLASSIFICATION)


def known_parameters(holder: dict[str, Any], what: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of a request or a tensor.

    Raises:
        RefusedError: they are no object, or hold one that is not known.
    """
    found = holder.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise RefusedError(f"{what}: expected parameters to be an object, got {shown(found)}.")
    for name, value in found.items():
        if name not in known:
            raise RefusedError(
                f"{what}: there is no parameter {shown(name)}. Known here: {', '.join(known)}.{_elsewhere(name)}"
            )
        if name == CONTENT_TYPE and value != "np":
            raise RefusedError(f"{what}: expected parameter {name} to be np, a tensor, got {shown(value)}.")
    return found


def _elsewhere(name: str) -> str:
    """Where a parameter belongs that stands in the wrong place."""
    places = (("the request", OF_REQUEST), ("an input", OF_INPUT), ("an output", OF_OUTPUT))
    place = next((place for place, names in places if name in names), None)
    return f" It is a parameter of {place}." if place else ""


def flag(parameters: dict[str, Any], key: str, what: str, default: bool) -> bool:
    """A parameter that is true or false.

    Raises:
        RefusedError: it is neither.
    """
    found = parameters.get(key, default)
    if not isinstance(found, bool):
        raise RefusedError(f"{what}: expected parameter {key} to be true or false, got {shown(found)}.")
    return found
