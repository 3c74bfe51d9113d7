"""Graphs that harm who loads them without looking: each is a good one with a small change."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from forebay.models.graph.limits import INPUT, OUTPUT
from support.graphs import Change, computing, linear_graph


def malicious_graphs(secret: Path) -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and a pattern for what the refusal must say.

    Args:
        secret: a file outside every bundle, which none may read.
    """
    for name, change, words in _changes(secret):
        model = linear_graph()
        change(model)
        yield name, model.SerializeToString(), words
    good = linear_graph().SerializeToString()
    yield "nothing", b"", "bytes"
    yield "cut", good[:-100], "cut short"
    yield "zeros", bytes(64), ""
    yield "text", b"import os\n" * 100, ""
    yield "pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtins\x94.", ""
    yield "length-past-the-end", good[:-1] + _field(7, 2) + _varint(1 << 40), "cut short"
    yield "number-without-end", _field(1, 0) + b"\xff" * 20, "more than ten bytes"
    yield "two-graphs", good + good, "stands twice"
    yield "empty-nodes", _message(7, _message(1, b"") * 300_000), "more than 200000 fields"
    yield "vast-name", _message(7, _message(2, b"a" * (1 << 20))), "has 1048576 bytes"
    yield "unknown-field", good + _message(99, b"x"), "the unknown field 99"


def _changes(secret: Path) -> Iterator[tuple[str, Change, str]]:
    yield "external-data", lambda model: _external(model, str(secret)), "in another file"
    yield "external-data-relative", lambda model: _external(model, "../secret"), "in another file"
    yield "constant-external", _external_constant(str(secret)), "in another file"
    yield "custom-domain", lambda model: _domain(model, "evil", register=True), "ONNX's own operators and no others"
    yield "custom-domain-unnamed", lambda model: _domain(model, "evil", register=False), "is of 'evil'"
    yield "contrib-domain", lambda model: _domain(model, "com.microsoft", register=False), "is of 'com.microsoft'"
    yield "python-operator", lambda model: _domain(model, "ai.onnx.contrib", register=True), "ONNX's own operators"
    yield "functions", _functions, "functions of its own"
    yield "loop", computing(_loop()), "a graph inside an operator"
    yield "branch", computing(_branch()), "a graph inside an operator"
    yield "sparse", _sparse, "sparse weights"
    yield "training", lambda model: model.training_info.add().SetInParent(), "a training graph"
    yield "random", computing(helper.make_node("RandomNormal", [], ["more"], shape=[1])), "another answer each time"
    yield "text-tensor", _text_tensor, "text in place of numbers"
    yield "huge-shape", lambda model: model.graph.initializer[0].dims.__setitem__(0, 1 << 40), "should hold"
    yield "negative-shape", lambda model: model.graph.initializer[0].dims.__setitem__(0, -1), "a negative one"
    yield "many-dimensions", lambda model: model.graph.initializer[0].dims.extend([1 << 60] * 1000), "dimensions"
    yield "odd-type", lambda model: setattr(model.graph.initializer[0], "data_type", 8), "no plain numbers"
    yield "numbers-elsewhere", _float_data, "the unknown field 4"
    yield "other-opset", lambda model: setattr(model.opset_import[0], "version", 6), "opset 6"
    yield "future-opset", lambda model: setattr(model.opset_import[0], "version", 10**6), "opset 1000000"
    yield "no-opset", lambda model: model.ClearField("opset_import"), "ONNX's own operators"
    yield "old-format", lambda model: setattr(model, "ir_version", 2), "version 2 of the format"
    yield "no-graph", lambda model: model.ClearField("graph"), "holds no graph"
    yield "no-nodes", lambda model: model.graph.ClearField("node"), "0 operators"
    yield "many-nodes", _many_nodes, "operators, and a graph has"
    yield "more-inputs", lambda model: model.graph.input.append(_value("more", [1])), "one input, 'images'"
    yield "more-outputs", lambda model: model.graph.output.append(_value("flat", ["rows", 64])), "one output, 'logits'"
    yield "no-output", lambda model: model.graph.ClearField("output"), "one output, 'logits'"
    yield "input-of-bytes", lambda model: setattr(_type(model.graph.input[0]), "elem_type", 2), "float32"
    yield "input-of-another-size", lambda model: _size(model.graph.input[0], 2, 9), r"shape \(N, 1, 9, 8\)"
    yield "input-of-one-row", lambda model: _size(model.graph.input[0], 0, 1), r"shape \(1, 1, 8, 8\)"
    yield "input-without-shape", lambda model: _type(model.graph.input[0]).ClearField("shape"), "shape"
    yield "input-a-sequence", lambda model: model.graph.input[0].type.sequence_type.SetInParent(), "a sequence"
    yield "other-classes", lambda model: _size(model.graph.output[0], 1, 11), r"shape \(N, 11\)"
    yield "no-such-operator", lambda model: setattr(model.graph.node[0], "op_type", "System"), "ONNX Runtime"
    yield "no-such-input", lambda model: model.graph.node[1].input.__setitem__(0, "nothing"), "ONNX Runtime"
    yield "a-circle", lambda model: model.graph.node[0].input.__setitem__(0, OUTPUT), "ONNX Runtime"
    yield "wrong-sizes", lambda model: model.graph.initializer[0].dims.__setitem__(slice(None), [10, 64]), ""
    yield "vast-constant", computing(*_vast(), tensors=_VAST), "more memory than"
    yield "vast-by-doubling", computing(*_doubling()), "more memory than"
    yield "another-number-of-rows", _fewer_rows, ""


_VAST = {"size": np.array([1 << 42], np.int64)}


def _vast() -> list[onnx.NodeProto]:
    """A tensor of 16 TiB that no initializer holds."""
    filled = helper.make_node(
        "ConstantOfShape", ["size"], ["vast"], value=numpy_helper.from_array(np.ones(1, np.float32))
    )
    return [filled, helper.make_node("ReduceMax", ["vast"], ["more"], keepdims=0)]


def _doubling() -> list[onnx.NodeProto]:
    """Each operator is small, and each tensor twice as large as the one before."""
    nodes = [helper.make_node("Flatten", [INPUT], ["t0"], axis=0)]
    nodes += [helper.make_node("Concat", [f"t{n}", f"t{n}"], [f"t{n + 1}"], axis=1) for n in range(50)]
    return [*nodes, helper.make_node("ReduceMax", ["t50"], ["more"], keepdims=0)]


def _fewer_rows(model: onnx.ModelProto) -> None:
    """The answer has one row, whatever came in."""
    model.graph.node[-1].output[0] = "all"
    model.graph.node.append(helper.make_node("ReduceMean", ["all", "rows_axis"], [OUTPUT], keepdims=1))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "rows_axis"))


def _external(model: onnx.ModelProto, location: str) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    _point_outside(tensor, location)


def _external_constant(location: str) -> Change:
    value = numpy_helper.from_array(np.zeros((), np.float32))
    value.ClearField("raw_data")
    _point_outside(value, location)
    return computing(helper.make_node("Constant", [], ["more"], value=value))


def _point_outside(tensor: TensorProto, location: str) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


def _domain(model: onnx.ModelProto, domain: str, *, register: bool) -> None:
    model.graph.node[0].domain = domain
    if register:
        model.opset_import.append(helper.make_opsetid(domain, 1))


def _functions(model: onnx.ModelProto) -> None:
    inner = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(helper.make_function("own", "Flatten", ["x"], ["y"], inner, list(model.opset_import)))


def _loop() -> onnx.NodeProto:
    return helper.make_node("Loop", ["", ""], ["more"], body=helper.make_graph([], "body", [], []))


def _branch() -> onnx.NodeProto:
    empty = helper.make_graph([], "branch", [], [])
    return helper.make_node("If", ["yes"], ["more"], then_branch=empty, else_branch=empty)


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().dims.append(1 << 40)


def _text_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].string_data.append(b"x")


def _float_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].ClearField("raw_data")
    model.graph.initializer[1].float_data.extend([0.0] * 10)


def _many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend(helper.make_node("Identity", ["flat"], [f"copy{n}"]) for n in range(20_001))


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _type(value: onnx.ValueInfoProto) -> onnx.TypeProto.Tensor:
    return value.type.tensor_type


def _size(value: onnx.ValueInfoProto, index: int, size: int) -> None:
    _type(value).shape.dim[index].dim_value = size


def _varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data += struct.pack("B", value & 0x7F | 0x80)
        value >>= 7
    return data + struct.pack("B", value)


def _field(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _message(number: int, content: bytes) -> bytes:
    return _field(number, 2) + _varint(len(content)) + content
