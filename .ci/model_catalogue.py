"""Write the catalogue of torchvision's and timm's models, which `train.model` and `forebay models` read.

Usage: .venv/bin/python .ci/model_catalogue.py [NAME…]   (some ten minutes; with names, only these rows)

Every network is built on PyTorch's meta device, without memory and without a download.
"""

import json
import re
import sys
import warnings
from importlib import resources
from math import prod
from typing import Any

import torch
from torch import nn

from forebay.models import timm_models, torchvision_models
from forebay.models.architectures import library_version, weight_shapes
from forebay.models.library_models import MISFIT_ERRORS, NO_LOGITS, LibraryModels, NetworkShape
from forebay.models.timm_import import import_timm
from forebay.models.torchvision_import import import_torchvision
from forebay.settings.model_names import CATALOGUE, FOREBAY, LEAST_SIDE, OWN_MODELS, TIMM, catalogue

LIBRARIES: tuple[LibraryModels, ...] = (torchvision_models.MODELS, timm_models.MODELS)
LARGEST_SIDE = 512  # pixels; what no square image up to here fits is left out
OWN_OPTIONS: dict[str, dict[str, Any]] = {"mlp": {"width": 256}, "lenet5": {}, "resnet9": {"width": 40, "whiten": True}}
COARSE = 8  # pixels between the sides that are tried first
PATCHES = re.compile(r"patches of (\d+)x")
STEPS = (1, 2, 4, 7, 8, 14, 16, 28, 32, 56, 64, 112, 128, 192, 224, 256)  # pixels between sides that a network takes
CLASSES = 1000


def main(names: list[str]) -> None:
    """Compute the rows and write the file."""
    warnings.simplefilter("ignore")
    models = {FOREBAY: {name: own_row(name) for name in OWN_MODELS}}
    models |= {each.library: dict(catalogue()["models"][each.library]) if names else {} for each in LIBRARIES}
    for library in LIBRARIES:
        for name in library.list_names():
            if names and name not in names:
                continue
            entry = row(library, name)
            print(library.library, name, *(entry or ["is left out"]), flush=True)
            if entry:
                models[library.library][name] = entry
    write(models)


def own_row(name: str) -> list[Any]:
    """The row of a network of ours, for colour images of 32x32 in ten classes."""
    shapes = weight_shapes(name, OWN_OPTIONS[name], 3, 32, 32, 10)
    assert shapes is not None
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return [sum(prod(shape) for key, shape in shapes.items() if not key.endswith(statistics)), LEAST_SIDE, 1, []]


def row(library: LibraryModels, name: str) -> list[Any] | None:
    """The fields of a `CatalogueEntry`; None where the network gives no logits."""
    published = colour(published_side(library.library, name), CLASSES)
    tags = published_tags(library.library, name)
    if parameters := any_size(library, name, published):
        return [parameters, LEAST_SIDE, 1, tags]
    problem = library.problem(name, colour(LEAST_SIDE, CLASSES))
    patch = int(found[1]) if (found := PATCHES.search(problem)) else 1
    smallest = LEAST_SIDE if not problem else smallest_side(library, name, patch)
    if problem == NO_LOGITS or smallest is None:
        return None
    step = next((step for step in STEPS if step >= patch and fits_after(library, name, smallest, step)), STEPS[-1])
    with torch.device("meta"):
        network = library.make(name, published, 0.0)
    return [count(network), smallest, step, tags]


def any_size(library: LibraryModels, name: str, published: NetworkShape) -> int:
    """The parameters of a network that is built once for all sizes and takes the smallest; 0 for any other one."""
    if library.has_fixed_size(name):
        return 0
    with torch.device("meta"), torch.no_grad():
        network = library.make(name, published, 0.0)
        parameters = count(network)
        library.fit_stem(network, published, "small")
        try:
            shapes = [network(torch.empty(2, 3, side, side)).shape for side in (LEAST_SIDE, LEAST_SIDE + 5)]
        except MISFIT_ERRORS:
            return 0
    return parameters if set(shapes) == {(2, CLASSES)} else 0


def count(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def smallest_side(library: LibraryModels, name: str, patch: int) -> int | None:
    """The smallest side of square colour images that a network takes."""
    coarse_step = COARSE if patch == 1 else patch
    coarse = 0
    for side in range(coarse_step, LARGEST_SIDE + 1, coarse_step):
        problem = library.problem(name, colour(side, CLASSES))
        if problem == NO_LOGITS:
            return None
        if not problem:
            coarse = side
            break
    if not coarse or patch > 1:
        return coarse or None
    below = range(max(LEAST_SIDE, coarse - COARSE + 1), coarse)
    return next((side for side in below if fits(library, name, side)), coarse)


def fits_after(library: LibraryModels, name: str, smallest: int, step: int) -> bool:
    """Whether a network takes sides in this distance from its smallest one."""
    return fits(library, name, smallest + 5 * step)  # the next one may fit where sides are rounded up


def fits(library: LibraryModels, name: str, side: int) -> bool:
    """Whether a network takes square colour images of this side."""
    return not library.problem(name, colour(side, 5))


def colour(side: int, classes: int) -> NetworkShape:
    """The shape of a network for square colour images."""
    return NetworkShape(channels=3, height=side, width=side, classes=classes)


def published_side(library: str, name: str) -> int:
    """The side of the images that a network was published for."""
    return int(import_timm().get_pretrained_cfg(name).input_size[1]) if library == TIMM else 224


def published_tags(library: str, name: str) -> list[str]:
    """The names of the published weights of a network."""
    if library == TIMM:
        full = import_timm().list_pretrained(name)
        return sorted(each.partition(".")[2] for each in full)
    return [each.name for each in import_torchvision().models.get_model_weights(name)]


def write(models: dict[str, dict[str, list[Any]]]) -> None:
    """Write one row a line, so that a difference can be read."""
    parts = []
    for library, rows in models.items():
        lines = (f"    {json.dumps(name)}: {json.dumps(rows[name])}" for name in sorted(rows))
        parts.append(f"  {json.dumps(library)}: {{\n" + ",\n".join(lines) + "\n  }")
    versions = json.dumps({each.library: library_version(each.library).partition("+")[0] for each in LIBRARIES})
    text = f'{{\n"versions": {versions},\n"models": {{\n' + ",\n".join(parts) + "\n}\n}\n"
    with resources.as_file(resources.files("forebay.settings") / CATALOGUE) as path:
        path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
