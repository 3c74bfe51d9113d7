"""A model as an ONNX file: written, checked, and compared with the network."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from forebay.api.tensors import network_input
from forebay.contracts.bundles.spec import GRAPH, ModelSpec, regular_file_sha256
from forebay.errors import ConfigError, ForebayError, ModelError
from forebay.models.bundle_files import graph_shape
from forebay.models.graph.export import export_graph
from forebay.models.graph.session import load_graph_bytes
from forebay.state.files import write_bytes

TOLERANCE = 1e-3  # the largest difference of a logit, both in fp32
COMPARED_ROWS = 8
SHOWN = 300  # a message repeats no more characters of what torch said


def write_graph(path: Path, graph: bytes) -> Path:
    """Write the file whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_bytes(path, graph)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def stored_graph(bundle: Path, spec: ModelSpec) -> bytes:
    """The graph that a bundle holds, which was checked when the model was loaded.

    Raises:
        ModelError: it was changed since then.
    """
    stored = bundle / GRAPH
    if regular_file_sha256(stored) != spec.weights_sha256:
        raise ModelError(f"{stored} was changed since the model was loaded. Load it again.")
    return stored.read_bytes()


def exported_graph(network: nn.Module, spec: ModelSpec, name: str) -> bytes:
    """The network as a graph that answers alike.

    Args:
        network: in evaluation mode.
        spec: of the model.
        name: of the model, for messages.

    Raises:
        ModelError: torch cannot export it, or the graph answers otherwise.
        MachineError: the extra `onnx` is not installed.
    """
    try:
        graph = export_graph(network, graph_shape(spec))
        session = load_graph_bytes(graph, graph_shape(spec), torch.get_num_threads())
    except ForebayError:
        raise
    except Exception as error:  # torch's exporter raises many kinds
        words = " ".join(str(error).split())[:SHOWN]
        raise ModelError(f"{name} ({spec.architecture}) cannot be exported to ONNX: {words}") from error
    shape = (COMPARED_ROWS, spec.height, spec.width, spec.channels)
    images_NCHW = network_input(np.random.default_rng(0).integers(0, 256, shape, np.uint8), spec)
    with torch.inference_mode():
        logits = network(images_NCHW).float().numpy()
    difference = float(np.abs(session.logits(images_NCHW.numpy()) - logits).max())
    if not difference <= TOLERANCE:  # in this form NaN fails as well
        raise ModelError(
            f"{name}: the graph answers otherwise than the network (logits differ by up to {difference:.3g}), so it "
            "was not written. Take `module` instead."
        )
    return graph
