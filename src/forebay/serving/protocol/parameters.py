"""Parameters of the V2 protocol and its extensions: which are known, which are ignored and which are rejected.

To ignore an unknown parameter could change the answer silently, so it is rejected by name. Parameters that only concern
order, timeouts or state, of which a stateless model has no use, are ignored: clients send them to every server.
"""

from typing import Any

from forebay.serving.rejection import RequestRejectedError, short_repr

BINARY_OUTPUT = "binary_data_output"
BINARY_SIZE = "binary_data_size"
BINARY = "binary_data"
CLASSIFICATION = "classification"
CONTENT_TYPE = "content_type"  # MLServer's clients mark tensors with it
IGNORED = (
    "priority",
    "timeout",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "triton_enable_empty_final_response",
)
REQUEST_PARAMETERS = (BINARY_OUTPUT, CONTENT_TYPE, *IGNORED)
INPUT_PARAMETERS = (BINARY_SIZE, CONTENT_TYPE)
OUTPUT_PARAMETERS = (BINARY, CLASSIFICATION)


def known_parameters(owner: dict[str, Any], field: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of a request or a tensor.

    Args:
        owner: the JSON object that has them.
        field: what the object is called in messages.
        known: the parameters that it may have.

    Raises:
        RequestRejectedError: they are not an object, or one of them is not known.
    """
    found = owner.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise RequestRejectedError(f"{field}: expected parameters to be an object, got {short_repr(found)}.")
    for name, value in found.items():
        if name not in known:
            raise RequestRejectedError(
                f"{field}: there is no parameter {short_repr(name)}. Known here: {', '.join(known)}."
                f"{_right_place(name)}"
            )
        if name == CONTENT_TYPE and value != "np":
            raise RequestRejectedError(
                f"{field}: expected parameter {name} to be np, a tensor, got {short_repr(value)}."
            )
    return found


def _right_place(name: str) -> str:
    """Where a misplaced parameter belongs, as a sentence; empty for one that is not known at all."""
    places = (("the request", REQUEST_PARAMETERS), ("an input", INPUT_PARAMETERS), ("an output", OUTPUT_PARAMETERS))
    place = next((place for place, names in places if name in names), None)
    return f" It is a parameter of {place}." if place else ""


def bool_parameter(parameters: dict[str, Any], name: str, field: str, default: bool) -> bool:
    """The value of a parameter that is true or false.

    Raises:
        RequestRejectedError: it is neither.
    """
    found = parameters.get(name, default)
    if not isinstance(found, bool):
        raise RequestRejectedError(f"{field}: expected parameter {name} to be true or false, got {short_repr(found)}.")
    return found
