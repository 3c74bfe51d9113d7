"""The two layers of a network that depend on the images and the classes: the first convolution and the last layer."""

from torch import nn


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """Path and module of the convolution that takes the images; None where there is none."""
    found = ((path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv2d))
    return next(found, None)


def last_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Path and module of the layer that gives the logits; some of timm's networks have two, whose mean is taken."""
    get_classifier = getattr(network, "get_classifier", None)
    if get_classifier is not None:
        given = get_classifier()
        wanted = {id(each) for each in (given if isinstance(given, tuple | list) else (given,))}
        named = {path: module for path, module in network.named_modules() if id(module) in wanted}
        if any(any(True for _ in module.parameters()) for module in named.values()):
            return named
    layers = [(path, each) for path, each in network.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    return dict(layers[-1:])
