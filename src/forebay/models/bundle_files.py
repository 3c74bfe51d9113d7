"""Write a trained network into a bundle, and load a classifier from one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from torch import Tensor

from forebay.contracts.bundles.open_bundle import open_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import SPEC, WEIGHTS, ModelSpec, regular_file_sha256, write_spec
from forebay.errors import ModelError
from forebay.models.architectures import build
from forebay.models.classifier import Classifier
from forebay.models.weights import check_finite, load_weights
from forebay.models.weights_file import BUILD_ERRORS, check_shapes, open_weights_file, weights_mismatch
from forebay.state.files import write_bytes


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
    written = replace(spec, weights_sha256=regular_file_sha256(folder / WEIGHTS))
    write_spec(folder, written)
    return written


def load_bundle(folder: Path, record: BundleRecord | None = None) -> Classifier:
    """Read a bundle and rebuild its network; nothing is unpickled.

    Args:
        folder: the bundle.
        record: what the registry recorded of a registered bundle; no file may differ from it.

    Raises:
        ModelError: the folder is not a bundle, it differs from the record, or its weights do not fit its architecture.
    """
    with open_bundle(folder, record) as opened:
        spec = opened.spec
        try:
            with open_weights_file(opened.weights) as weights_file:
                check_shapes(spec, weights_file)
                network = build(
                    spec.architecture, spec.options, spec.channels, spec.height, spec.width, len(spec.classes)
                )
                load_weights(network, weights_file.read())
        except ModelError as error:
            raise ModelError(f"{folder / SPEC} names no network that can be built: {error}") from error
        except BUILD_ERRORS as error:
            raise weights_mismatch(spec, folder / WEIGHTS, error) from error
        check_finite(network.state_dict(), folder / WEIGHTS)
        return Classifier(spec, network, opened.examples_NHWC)
