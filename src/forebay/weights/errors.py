"""The error of this package."""

from forebay.errors import ModelError


class WeightsError(ModelError):
    """Pretrained weights cannot be had, or they do not fit; the message says what to give instead."""
