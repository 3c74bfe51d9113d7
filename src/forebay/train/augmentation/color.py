"""Changes of colour, each image by factors of its own."""

import math

import torch
from torch import Tensor

from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.chunks import by_chunks

GREY = (0.2989, 0.587, 0.114)  # shares of red, green and blue in brightness; ITU-R BT.601
HUE_SHARE = 0.25  # of the strength, as a part of the half circle: strength 0.4 turns the hue by up to 18 degrees


def jitter(images_NCHW: Tensor, strength: float, random: BatchRandom) -> Tensor:
    """Change brightness, contrast and, where there are three channels, saturation and hue of each image.

    All four are one matrix per image, and values are clamped once, at the end.

    Args:
        images_NCHW: uint8; not modified.
        strength: factors lie between 1 - strength and 1 + strength.
        random: numbers for these rows.
    """
    brightness, contrast, saturation = (random.between(1 - strength, 1 + strength) for _ in range(3))
    turn = random.between(-1, 1) * strength * HUE_SHARE * math.pi
    is_colour = images_NCHW.shape[1] == len(GREY)
    matrices = _tint(saturation, turn) if is_colour else _identity(images_NCHW, len(turn))
    return recolor(images_NCHW, brightness.view(-1, 1, 1) * matrices, contrast)


def brightness(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    """Multiply each image by its factor."""
    matrices = factors.view(-1, 1, 1) * _identity(images_NCHW, len(factors))
    return recolor(images_NCHW, matrices, torch.ones(len(factors)))


def contrast(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    """Scale each image's distance from its mean brightness by its factor."""
    return recolor(images_NCHW, _identity(images_NCHW, len(factors)), factors)


def saturation(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    """Scale each colour image's distance from grey by its factor; grey images stay as they are."""
    if images_NCHW.shape[1] != len(GREY):
        return images_NCHW
    return recolor(images_NCHW, _tint(factors, torch.zeros(len(factors))), torch.ones(len(factors)))


def recolor(images_NCHW: Tensor, matrices: Tensor, contrast: Tensor) -> Tensor:
    """Multiply each pixel's channels by its image's matrix, then scale the distance from the mean brightness.

    Args:
        images_NCHW: uint8; not modified.
        matrices: float (N, C, C).
        contrast: float (N,).
    """
    return by_chunks(_recolor, images_NCHW, matrices, contrast)


def _recolor(images_NCHW: Tensor, matrices: Tensor, contrast: Tensor) -> Tensor:
    channels = images_NCHW.shape[1]
    mean_NC = channel_means(images_NCHW)
    matrices, contrast = matrices.to(mean_NC.device), contrast.to(mean_NC.device)
    grey = torch.tensor(GREY if channels == len(GREY) else [1 / channels] * channels, device=mean_NC.device)
    mean_brightness = ((matrices * mean_NC.unsqueeze(1)).sum(2) * grey).sum(1)
    offset = ((1 - contrast) * mean_brightness).view(-1, 1, 1)
    weights = (matrices * contrast.view(-1, 1, 1)).unsqueeze(3).unsqueeze(4)  # N, to, from, 1, 1
    pixels = images_NCHW.to(torch.float32, memory_format=torch.contiguous_format)
    mixed = [sum(weights[:, to, source] * pixels[:, source] for source in range(channels)) for to in range(channels)]
    return torch.stack([plane + offset for plane in mixed], 1).round_().clamp_(0, 255).to(torch.uint8)


def channel_means(images_NCHW: Tensor) -> Tensor:
    """The mean of each channel (N, C); sums of whole numbers are exact, whatever rows are beside an image."""
    return images_NCHW.sum((2, 3), dtype=torch.int64).float() / images_NCHW[0, 0].numel()


def _identity(images_NCHW: Tensor, rows: int) -> Tensor:
    return torch.eye(images_NCHW.shape[1]).repeat(rows, 1, 1)


def _tint(saturation: Tensor, hue: Tensor) -> Tensor:
    """The matrices (N, 3, 3) that keep the brightness, scale the distance from grey and turn it by radians.

    The turn is one of the two colour axes of YIQ. It leaves grey as it is, so both together need no matrix product.
    """
    to_yiq = torch.tensor([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    to_rgb = torch.linalg.inv(to_yiq)
    grey = to_rgb[:, :1] @ to_yiq[:1]
    kept = to_rgb[:, 1:] @ to_yiq[1:]
    turned = to_rgb[:, 1:] @ torch.tensor([[0.0, -1.0], [1.0, 0.0]]) @ to_yiq[1:]
    along, across = (saturation * torch.cos(hue)).view(-1, 1, 1), (saturation * torch.sin(hue)).view(-1, 1, 1)
    tint: Tensor = along * kept + across * turned + grey
    return tint
