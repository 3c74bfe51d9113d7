"""Write a trained network into a bundle, and load a classifier from one."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from forebay.contracts.bundles.ensemble_spec import network_prefix
from forebay.contracts.bundles.open_bundle import OpenBundle, open_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import GRAPH, SPEC, WEIGHTS, ModelSpec, regular_file_sha256, write_spec
from forebay.errors import ModelError
from forebay.models.architectures import build
from forebay.models.classifier import Classifier, EnsembleClassifier, GraphClassifier, NetworkClassifier
from forebay.models.graph.check import GraphShape
from forebay.models.graph.session import load_graph
from forebay.models.weights import WithoutInitialization, check_finite, load_weights
from forebay.models.weights_file import BUILD_ERRORS, WeightsFile, check_shapes, open_weights_file, weights_mismatch
from forebay.settings.model_names import ONNX
from forebay.state.files import write_bytes


def save_bundle(folder: Path, spec: ModelSpec, weights: Mapping[str, Tensor]) -> ModelSpec:
    """Write weights and spec; the folder is made where it is missing.

    Args:
        folder: receives `model.json` and `weights.safetensors`.
        spec: its `weights_sha256` is filled in here.
        weights: the network's state dict; for an ensemble `ensemble_weights` of its members'.

    Returns:
        The spec as written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_bytes(folder / WEIGHTS, safetensors.torch.save(tensors))
    written = replace(spec, weights_sha256=regular_file_sha256(folder / WEIGHTS))
    write_spec(folder, written)
    return written


def save_graph_bundle(folder: Path, spec: ModelSpec, graph: bytes) -> ModelSpec:
    """As `save_bundle`, for a network of the user's own.

    Args:
        folder: receives `model.json` and `model.onnx`.
        spec: its library is onnx.
        graph: as `forebay.models.graph.export` writes it.
    """
    write_bytes(folder / GRAPH, graph)
    written = replace(spec, weights_sha256=regular_file_sha256(folder / GRAPH))
    write_spec(folder, written)
    return written


def graph_shape(spec: ModelSpec) -> GraphShape:
    """What the graph of such a model takes and gives."""
    height, width = spec.network_size
    return GraphShape(channels=spec.channels, height=height, width=width, classes=len(spec.classes))


def ensemble_weights(networks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of an ensemble, from the state dict of each of its networks."""
    return {
        f"{network_prefix(number)}{name}": tensor
        for number, weights in enumerate(networks)
        for name, tensor in weights.items()
    }


def load_bundle(folder: Path, record: BundleRecord | None = None) -> Classifier:
    """Read a bundle and rebuild its network, or those of an ensemble, or load its graph; nothing is unpickled.

    Args:
        folder: the bundle.
        record: what the registry recorded of a registered bundle; no file may differ from it.

    Raises:
        ModelError: the folder is not a bundle, it differs from the record, or its weights do not fit its architecture.
        MachineError: it holds a graph, and onnxruntime is not installed.
    """
    with open_bundle(folder, record) as opened, _explained(folder, opened.spec):
        if opened.spec.library == ONNX:
            session = load_graph(opened.weights, graph_shape(opened.spec), torch.get_num_threads())
            return GraphClassifier(opened.spec, session, opened.examples_NHWC)
        networks = _load_networks(opened)
    for network in networks:
        check_finite(network.state_dict(), folder / WEIGHTS)
    if opened.spec.members:
        return EnsembleClassifier(opened.spec, networks, opened.examples_NHWC)
    return NetworkClassifier(opened.spec, networks[0], opened.examples_NHWC)


def read_networks(folder: Path, record: BundleRecord | None = None) -> tuple[ModelSpec, list[dict[str, Tensor]]]:
    """The spec of a bundle, and the weights of its network, or of each network of an ensemble; checked, not built.

    Raises:
        ModelError: as `load_bundle`, or it holds a graph.
    """
    with open_bundle(folder, record) as opened:
        if opened.spec.library == ONNX:
            raise ModelError(
                f"{folder}: {opened.spec.architecture} is a network of a user's own, exported as a graph, from which "
                "no weights can be taken. Take a model of another architecture."
            )
        with _explained(folder, opened.spec), open_weights_file(opened.weights) as weights_file:
            parts = _checked_parts(opened.spec, weights_file)
            return opened.spec, [{name: tensor.clone() for name, tensor in part.read().items()} for _, part in parts]


def _load_networks(opened: OpenBundle) -> list[nn.Module]:
    networks = []
    with open_weights_file(opened.weights) as weights_file:
        for number, (spec, part) in enumerate(_checked_parts(opened.spec, weights_file)):
            with _named(opened.spec, number):
                shape = (spec.channels, *spec.network_size, len(spec.classes))
                with WithoutInitialization():
                    network = build(spec.architecture, spec.options, *shape, library=spec.library)
                load_weights(network, part.read())
                networks.append(network)
    return networks


def _checked_parts(spec: ModelSpec, weights_file: WeightsFile) -> list[tuple[ModelSpec, WeightsFile]]:
    """Each network with its part of the file; all fit before memory is taken for the first one."""
    if not spec.members:
        check_shapes(spec, weights_file)
        return [(spec, weights_file)]
    prefixes = [network_prefix(number) for number in range(len(spec.members))]
    parts = list(zip(spec.networks, weights_file.split(prefixes), strict=True))
    for number, (of_one, part) in enumerate(parts):
        with _named(spec, number):
            check_shapes(of_one, part)
    return parts


@contextlib.contextmanager
def _named(spec: ModelSpec, number: int) -> Iterator[None]:
    """Say which member of an ensemble an error is about."""
    try:
        yield
    except (ModelError, *BUILD_ERRORS) as error:
        if not spec.members:
            raise
        kind = ModelError if isinstance(error, ModelError) else ValueError
        raise kind(f"members[{number}], {spec.members[number]['architecture']}: {error}") from error


@contextlib.contextmanager
def _explained(folder: Path, spec: ModelSpec) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{folder / SPEC} names no network that can be built: {error}") from error
    except BUILD_ERRORS as error:
        if spec.library == ONNX:
            raise ModelError(
                f"{folder / GRAPH} is no graph that is served: {error}. Take the bundle from the registry again, or "
                "train the model again."
            ) from error
        raise weights_mismatch(spec, folder / spec.weights_name, error) from error
