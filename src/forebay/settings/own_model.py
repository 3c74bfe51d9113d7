"""The values of `train.model` that name a network of the user's, and of `train.model_code` beside it."""

import re

from forebay.errors import ConfigError
from forebay.settings.model_names import find_model
from forebay.user_code import (
    MODELS_GROUP,
    CodeReference,
    code_rule,
    entry_point_names,
    looks_like_code,
    parse_reference,
)

PACKAGE_CODE = "package:"  # begins a `train.model_code` that is a digest: the code comes from an installed package
_TAKEN = ("ensemble",)  # in a bundle it means a model of several networks
_PACKAGE_CODE = re.compile(rf"{PACKAGE_CODE}[0-9a-f]{{64}}")


def own_model(value: str) -> CodeReference | None:
    """What a value of `train.model` names in the user's code; None where it names no such thing.

    A name that Forebay knows, and `auto`, mean Forebay's own; only then is it looked for among installed packages.
    """
    if looks_like_code(value):
        try:
            return parse_reference(value)
        except ConfigError:
            return None
    if find_model(value) or value not in entry_point_names(MODELS_GROUP):
        return None
    return CodeReference(entry_point=value)


def model_code_rule(value: str) -> str | None:
    """Accept what the command line writes: nothing, the text of a file, or the digest of a package's code."""
    return None if _PACKAGE_CODE.fullmatch(value) else code_rule(value)


def architecture_of(reference: CodeReference) -> str:
    """The name under which a bundle and MLflow know the network: that of the class, function or entry point."""
    name = re.sub(r"[^\w-]", "_", reference.attribute or reference.entry_point)
    return f"{name}_" if name in _TAKEN else name
