"""The test of a model that was just loaded: images must give probabilities, whatever they show."""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from forebay.errors import ModelError
from forebay.models import Classifier

RANDOM_IMAGES = 2
SUM_TOLERANCE = 1e-3  # a row's fp32 probabilities may sum to this much more or less than 1


def verify_predictions(classifier: Classifier, name: str) -> None:
    """Let a model predict the held-out images of its bundle, where there are some, and black, white and random images.

    This also warms the model up, so that the first client waits no longer than the next one, and measures it.

    Args:
        classifier: the model.
        name: name of its folder, for the message.

    Raises:
        ModelError: a prediction is not a distribution over the classes.
    """
    fastest_s = float("inf")
    for what, images_NHWC in _images(classifier):
        start = time.perf_counter()
        predictions = classifier.predict(images_NHWC)
        if len(images_NHWC) == 1:
            fastest_s = min(fastest_s, time.perf_counter() - start)
        if not np.isfinite(predictions).all():
            raise ModelError(f"{name} answers {what} with numbers that are not finite. Train the model again.")
        if (predictions < 0).any() or (np.abs(predictions.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            raise ModelError(f"{name} answers {what} with numbers that are not probabilities. Train the model again.")
    classifier.image_s = fastest_s


def _images(classifier: Classifier) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    spec = classifier.spec
    shape = (spec.height, spec.width, spec.channels)
    if len(classifier.examples_NHWC):
        yield "its own held-out images", classifier.examples_NHWC
    yield "a black image", np.zeros((1, *shape), np.uint8)
    yield "a white image", np.full((1, *shape), 255, np.uint8)
    yield "random pixels", np.random.default_rng(0).integers(0, 256, (RANDOM_IMAGES, *shape), np.uint8)
