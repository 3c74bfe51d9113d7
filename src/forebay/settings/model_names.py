"""The model names that `train.model` accepts. They come from a file, because importing the libraries takes seconds."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

MLP = "mlp"
LENET5 = "lenet5"
RESNET9 = "resnet9"
OWN_MODELS = (MLP, LENET5, RESNET9)  # `forebay.models.architectures` builds them
DEFAULT_MODEL = RESNET9  # what auto means

FOREBAY, TORCHVISION, TIMM = "forebay", "torchvision", "timm"
LIBRARIES = (FOREBAY, TORCHVISION, TIMM)  # who makes a network; a name alone means the first that has it
ONNX = "onnx"  # the library of a network that its bundle holds as a graph: the user's own
CATALOGUE = "model_catalogue.json"  # `make catalogue` writes it from the pinned libraries


class ModelName(NamedTuple):
    """Which network of which library."""

    library: str
    architecture: str


def find_model(name: str) -> ModelName | None:
    """The network that a name such as `resnet18` or `timm/resnet18` means; None where there is no such name."""
    library, slash, architecture = name.rpartition("/")
    if not slash:
        library = next((each for each in LIBRARIES if name in names_of(each)), "")
    known = library in LIBRARIES and architecture in names_of(library)
    return ModelName(library, architecture) if known else None


@cache
def names_of(library: str) -> frozenset[str]:
    """The names of one library's networks."""
    return frozenset(OWN_MODELS if library == FOREBAY else catalogue()["models"][library])


@cache
def catalogue() -> Mapping[str, Any]:
    """What the pinned libraries offer: `versions` by library, `models` by library and name."""
    found: Mapping[str, Any] = json.loads(resources.files(__package__).joinpath(CATALOGUE).read_text())
    return found
