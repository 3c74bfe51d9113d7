"""Small ONNX graphs, made by hand so that each can be harmed, and bundles that hold one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from forebay.contracts.bundles.spec import ModelSpec
from forebay.models.bundle_files import save_graph_bundle
from forebay.models.graph.limits import INPUT, OPSET, OUTPUT
from forebay.settings.model_names import ONNX

Change = Callable[[onnx.ModelProto], None]


def linear_graph(*, side: int = 8, classes: int = 10, seed: int = 0) -> onnx.ModelProto:
    """A linear layer over grey images: two operators and two tensors."""
    random = np.random.default_rng(seed)
    weight = random.normal(size=(side * side, classes)).astype(np.float32) / side
    nodes = [
        helper.make_node("Flatten", [INPUT], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weight", "bias"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", 1, side, side])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", classes])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.zeros(classes, np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def computing(*nodes: onnx.NodeProto, tensors: dict[str, np.ndarray] | None = None) -> Change:
    """A change that adds what `nodes` compute as the tensor `more`, which is one number, to every answer."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        graph.node[-1].output[0] = "logits_before"
        graph.node.extend(nodes)
        graph.node.append(helper.make_node("Add", ["logits_before", "more"], [OUTPUT]))
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in (tensors or {}).items())

    return change


def write_graph_bundle(folder: Path, graph: bytes | None = None, *, classes: int = 10) -> ModelSpec:
    """Write a bundle with a graph for grey images of 8x8."""
    spec = ModelSpec(
        architecture="Net", library=ONNX, options={}, classes=[f"class-{index}" for index in range(classes)],
        height=8, width=8, channels=1, mean=[0.5], std=[0.25], weights_sha256="",
        data={"name": "tiny", "digest": "d" * 64}, lineage={"code_version": "test"},
    )  # fmt: skip
    content = linear_graph(classes=classes).SerializeToString() if graph is None else graph
    return save_graph_bundle(folder, spec, content)
