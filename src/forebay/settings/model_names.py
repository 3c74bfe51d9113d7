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
LEAST_SIDE = 8  # pixels; the catalogue looks at no smaller images
CATALOGUE = "model_catalogue.json"  # `make catalogue` writes it from the pinned libraries


class ModelName(NamedTuple):
    """Which network of which library."""

    library: str
    architecture: str


class CatalogueEntry(NamedTuple):
    """What the catalogue says about a library's network."""

    parameters: int  # with the library's own number of classes and image size, for colour images
    smallest: int  # pixels; side of the smallest square images that it takes, from LEAST_SIDE
    step: int  # pixels; it takes the sides that follow in this distance
    weights: list[str]  # tags of the published pretrained weights

    def next_side(self, side: int) -> int:
        """The smallest side that it takes and that is not below this one."""
        return self.smallest + self.step * max(0, -(-(side - self.smallest) // self.step))


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


class ListedModel(NamedTuple):
    """A network as `forebay models` lists it."""

    name: str  # as `train.model` takes it: with the library where the bare name means another library's network
    library: str
    architecture: str
    entry: CatalogueEntry | None  # None where it is not measured
    weights: list[str]  # tags of the published pretrained weights


def list_models() -> list[ListedModel]:
    """Every network that can be built, library by library."""
    return [
        ListedModel(_short_name(library, name), library, name, catalogue_entry(library, name), row[-1])
        for library in LIBRARIES
        for name, row in catalogue()["models"][library].items()
    ]


def _short_name(library: str, architecture: str) -> str:
    found = find_model(architecture)
    return architecture if found and found.library == library else f"{library}/{architecture}"


def catalogue_entry(library: str, architecture: str) -> CatalogueEntry | None:
    """What is known of a library's network; None for one that the pinned version lacks, or that is not measured."""
    row = catalogue()["models"].get(library, {}).get(architecture)
    return CatalogueEntry(*row) if row and row[0] else None


@cache
def catalogue() -> Mapping[str, Any]:
    """What the pinned libraries offer: `versions` by library, `models` by library and name."""
    found: Mapping[str, Any] = json.loads(resources.files(__package__).joinpath(CATALOGUE).read_text())
    return found
