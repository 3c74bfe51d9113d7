"""Writing a trained network into a bundle, and getting a classifier back from one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forebay.contracts.bundles.open_bundle import open_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import SPEC, WEIGHTS, ModelSpec, file_sha256, write_spec
from forebay.errors import ModelError
from forebay.models.fitting import UNFIT, check_finite, check_fit, open_tensors, unfit
from forebay.models.normalize import standardize
from forebay.models.registry import build
from forebay.state.files import write_bytes

BATCH_PIXELS = 1 << 20  # pixels per forward pass; bounds memory whatever the images' size


class Classifier:
    """A trained model that answers from stored pixels. Safe to use from several threads.

    `examples_NHWC` are rows that it never trained on, where its bundle holds some; else there are none.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module, examples_NHWC: NDArray[np.uint8] | None = None) -> None:
        self.spec = spec
        shape = (spec.height, spec.width, spec.channels)
        self.examples_NHWC = np.empty((0, *shape), np.uint8) if examples_NHWC is None else examples_NHWC
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class probabilities in fp32 on the CPU.

        Args:
            images_NHWC: uint8 pixels (N, H, W, C), 0 to 255, of the spec's size; N may be 0.

        Returns:
            float32 (N, K), rows sum to 1, columns in the order of `spec.classes`.

        Raises:
            ModelError: another shape or dtype.
        """
        spec = self.spec
        shape = (spec.height, spec.width, spec.channels)
        if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[1:] != shape:
            raise ModelError(
                f"The model takes uint8 images of shape (N, {', '.join(map(str, shape))}), "
                f"got {images_NHWC.dtype} of shape {images_NHWC.shape}. Resize them as ingest does."
            )
        rows = batch_rows(spec)
        probabilities = np.empty((len(images_NHWC), len(spec.classes)), np.float32)
        for start in range(0, len(images_NHWC), rows):
            batch = np.ascontiguousarray(images_NHWC[start : start + rows])
            probabilities[start : start + rows] = self._probabilities(torch.tensor(batch)).numpy()
        return probabilities

    @torch.inference_mode()
    def _probabilities(self, images_NHWC: Tensor) -> Tensor:
        images = standardize(images_NHWC.permute(0, 3, 1, 2), self.spec.mean, self.spec.std)
        return torch.softmax(self._network(images), dim=1)


def batch_rows(spec: ModelSpec) -> int:
    """How many images go through the network at once."""
    return max(1, BATCH_PIXELS // (spec.height * spec.width))


def save_bundle(folder: Path, spec: ModelSpec, weights: Mapping[str, Tensor]) -> ModelSpec:
    """Write weights and spec; the folder is made where it is missing.

    Args:
        folder: receives `model.json` and `weights.safetensors`.
        spec: its `weights_sha256` is filled in here.
        weights: the network's state dict.

    Returns:
        The spec as written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(folder / WEIGHTS, safetensors.torch.save(tensors))
    written = replace(spec, weights_sha256=file_sha256(folder / WEIGHTS))
    write_spec(folder, written)
    return written


def load_bundle(folder: Path, record: BundleRecord | None = None) -> Classifier:
    """Read a bundle and rebuild its network; nothing is unpickled.

    Args:
        folder: of the bundle.
        record: of a registered one: no file may differ from it.

    Raises:
        ModelError: not a bundle, not the one on record, or an architecture that its weights do not fit.
    """
    with open_bundle(folder, record) as opened:
        spec = opened.spec
        try:
            with open_tensors(opened.weights) as tensors:
                check_fit(spec, tensors)
                network = build(
                    spec.architecture, spec.options, spec.channels, spec.height, spec.width, len(spec.classes)
                )
                load_weights(network, tensors.read())
        except ModelError as error:
            raise ModelError(f"{folder / SPEC} names no network that can be built: {error}") from error
        except UNFIT as error:
            raise unfit(spec, folder / WEIGHTS, error) from error
        check_finite(network.state_dict(), folder / WEIGHTS)
        return Classifier(spec, network, opened.examples_NHWC)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a network of the same build.

    Raises:
        RuntimeError: names or shapes differ.
    """
    state = network.state_dict()  # carries version marks that plain tensors lack and mnasnet insists on
    state.clear()
    state.update(weights)
    network.load_state_dict(state)
