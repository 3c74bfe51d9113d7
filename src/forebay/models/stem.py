"""The begin of a library's network, which is made for images of 224x224: fitted to channels and to small images."""

from collections.abc import Sequence

from torch import nn

from forebay.models.layers import first_convolution

SMALL_SIDE = 64  # pixels; in smaller images, a stem made for 224x224 would throw most of the detail away
COLOUR = 3  # channels that a library without such an option builds for


def fit_stem(model: nn.Module, channels: int, *, small: bool, pools: Sequence[str]) -> bool:
    """Fit the first convolution to the images' channels.

    Args:
        model: is changed.
        channels: of the images.
        small: whether an overlapping strided convolution becomes one of 3x3 and stride 1 without pooling behind it,
            as He et al. (2015) use for CIFAR-10.
        pools: paths of the pooling that may follow it.

    Returns:
        Whether it begins with such a convolution; else `small` changes nothing.
    """
    found = first_convolution(model)
    if found is None or found[1].in_channels not in (COLOUR, channels):
        return False  # no convolution takes the image itself
    path, stem = found
    overlapping = stem.stride[0] > 1 and stem.kernel_size[0] > stem.stride[0]
    smaller = small and overlapping
    if type(stem) is nn.Conv2d or stem.in_channels != channels:
        _replace(model, path, stem, channels, small=smaller)
    elif smaller:
        stem.stride = (1, 1)  # a library's own class may standardize its weights or pad in another way: it stays
    for pool in pools:
        if smaller and pool in dict(model.named_modules()):
            model.set_submodule(pool, nn.Identity())
    return overlapping


def _replace(model: nn.Module, path: str, stem: nn.Conv2d, channels: int, *, small: bool) -> None:
    if channels == stem.in_channels and not small:
        return
    shape = {"kernel_size": 3, "stride": 1, "padding": 1} if small else {
        "kernel_size": stem.kernel_size, "stride": stem.stride, "padding": stem.padding,
    }  # fmt: skip
    model.set_submodule(path, nn.Conv2d(channels, stem.out_channels, **shape, bias=stem.bias is not None))
