"""Write a network of torch's as a graph. Only train does it: it runs the network's code."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from forebay.models.graph.check import GraphShape, check_graph_bytes
from forebay.models.graph.libraries import import_for_graphs
from forebay.models.graph.limits import INPUT, MAX_GRAPH_BYTES, OPSET, OUTPUT

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

EXAMPLE_ROWS = 2  # torch.export takes sizes of 0 and 1 for constants


def export_graph(network: nn.Module, shape: GraphShape) -> bytes:
    """The network as a graph; the same network gives the same bytes.

    Args:
        network: takes float32 (N, C, H, W) and returns logits (N, K). It is left in evaluation mode.
        shape: of images and logits.

    Raises:
        Exception: whatever torch raises where it cannot follow the network's code; `__cause__` often tells more.
        ValueError: the graph is none that a server loads, or is too large.
        MachineError: onnx or onnxscript is not installed.
    """
    onnx, numpy_helper, _ = import_for_graphs("onnx", "onnx.numpy_helper", "onnxscript")
    model = _export(network.eval(), shape)
    _strip(model)
    for tensor in _tensors(model.graph):
        _store_raw(tensor, numpy_helper)
    if model.ByteSize() > MAX_GRAPH_BYTES:
        raise ValueError(f"it has {model.ByteSize()} bytes, and protobuf writes at most {MAX_GRAPH_BYTES}")
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    check_graph_bytes(memoryview(data), shape)
    return data


def _export(network: nn.Module, shape: GraphShape) -> "ModelProto":
    device = next(network.parameters()).device
    example = torch.zeros(EXAMPLE_ROWS, shape.channels, shape.height, shape.width, device=device)
    with _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            verbose=False,
        )
    return program.model_proto  # type: ignore[no-any-return]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What torch prints, warns and logs of its own work says nothing to the user; what it raises does."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _strip(model: "ModelProto") -> None:
    """Leave out what no answer depends on: lines of source code, names of modules, shapes between operators."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    model.ClearField("doc_string")
    model.graph.ClearField("doc_string")
    named = [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]
    for each in named:
        del each.metadata_props[:]
        each.ClearField("doc_string")
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _tensors(graph: "GraphProto") -> "Iterator[TensorProto]":
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _store_raw(tensor: "TensorProto", numpy_helper: Any) -> None:
    """Write a tensor's numbers in the one form that graphs are read in."""
    name = tensor.name
    stored = numpy_helper.from_array(numpy_helper.to_array(tensor), name)
    tensor.CopyFrom(stored)
