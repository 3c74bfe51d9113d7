"""timm's classification models, without downloaded weights, fitted to our images and classes."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from forebay.errors import ModelError
from forebay.models.layers import first_convolution
from forebay.models.library_models import LibraryModels, NetworkShape
from forebay.models.timm_import import import_timm
from forebay.settings import model_names


class TimmModels(LibraryModels):
    """They take channels and dropout as arguments, and those of a fixed input size that size."""

    library = model_names.TIMM
    stem_pools = ("maxpool", "features.pool0", "layer0.pool", "stem.pool")  # of resnets, densenets, senets, resnetv2

    def list_names(self) -> Sequence[str]:
        """The names of timm's models. A few are encoders that give no logits."""
        return sorted(import_timm().list_models())

    def make(self, name: str, shape: NetworkShape, dropout: float) -> nn.Module:
        """A network with random weights.

        Raises:
            ModelError: the model has no dropout.
        """
        arguments: dict[str, Any] = {"num_classes": shape.classes, "in_chans": shape.channels}
        if self.has_fixed_size(name):
            arguments["img_size"] = (shape.height, shape.width)
        if dropout:
            arguments["drop_rate"] = dropout
        try:
            return import_timm().create_model(name, pretrained=False, **arguments)  # type: ignore[no-any-return]
        except TypeError as error:
            if "'drop_rate'" not in str(error):
                raise
            raise ModelError(f"{name} of timm has no dropout. Set train.dropout=0.") from error

    def has_fixed_size(self, name: str) -> bool:
        """What the library's own record of the network says."""
        return bool(import_timm().get_pretrained_cfg(name, allow_unregistered=False).fixed_input_size)

    def shape_rule(self, name: str, network: nn.Module, shape: NetworkShape) -> str:
        """A network that cuts the image into patches would leave out what remains at two of its edges."""
        found = first_convolution(network)
        if found is None or not self.has_fixed_size(name) or found[1].kernel_size != found[1].stride:
            return ""
        (high, wide) = found[1].stride
        fits = shape.height % high == 0 and shape.width % wide == 0
        return "" if fits else f"it cuts images into patches of {high}x{wide} pixels"


MODELS = TimmModels()
