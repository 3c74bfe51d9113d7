"""Whether a file is a graph that may be loaded. Nothing in it is executed, and no memory is taken for its weights."""

import mmap
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from typing import Any

from forebay.models.graph.limits import (
    INPUT,
    MAX_GRAPH_BYTES,
    MAX_HEADER_BYTES,
    MAX_NODES,
    OUTPUT,
    READ_OPSETS,
)
from forebay.models.graph.messages import FLOAT32, ITEM_BYTES, REFUSALS, SCHEMA
from forebay.models.graph.protobuf import MessageReader

_IR_VERSIONS = range(8, 12)  # of the file format, for the opsets that are read
_OWN_DOMAINS = ("", "ai.onnx")
_MOST_DIMENSIONS = 16
_RANDOM = (
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GraphShape:
    """The images that a graph takes, and how many classes it tells apart."""

    channels: int
    height: int
    width: int
    classes: int


def check_graph(file: BufferedReader, shape: GraphShape) -> None:
    """Refuse a file that is no graph of ours.

    Args:
        file: an open regular file. Its position is not used.
        shape: what the graph must take and give.

    Raises:
        ValueError: says what is wrong with it.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if not 0 < size <= MAX_GRAPH_BYTES:
        raise ValueError(f"it has {size} bytes, and a graph has 1 to {MAX_GRAPH_BYTES}")
    mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)  # not closed: an error's frames hold views of it
    check_graph_bytes(memoryview(mapped), shape)


def check_graph_bytes(data: memoryview, shape: GraphShape) -> None:
    """As `check_graph`, for bytes.

    Raises:
        ValueError: says what is wrong with them.
    """
    model = MessageReader(SCHEMA, REFUSALS).read("model", data)
    graph = model.get("graph")
    if graph is None:
        raise ValueError("it holds no graph")
    _check_version(model)
    weight_bytes = sum(_check_tensor(each) for each in graph["initializer"])
    if len(data) - weight_bytes > MAX_HEADER_BYTES:
        raise ValueError(f"it has {len(data) - weight_bytes} bytes beside its weights, more than {MAX_HEADER_BYTES}")
    _check_nodes(graph["node"])
    _check_value(graph["input"], "input", INPUT, [shape.channels, shape.height, shape.width])
    _check_value(graph["output"], "output", OUTPUT, [shape.classes])


def _check_version(model: dict[str, Any]) -> None:
    if model.get("ir_version") not in _IR_VERSIONS:
        raise ValueError(f"it is written in version {model.get('ir_version')} of the format")
    opsets = [(each.get("domain", ""), each.get("version")) for each in model["opset_import"]]
    if len(opsets) != 1 or opsets[0][0] not in _OWN_DOMAINS:
        names = ", ".join(sorted({domain for domain, _ in opsets} - set(_OWN_DOMAINS))) or "none"
        raise ValueError(f"it must use ONNX's own operators and no others (it names {names!a:.100})")
    if opsets[0][1] not in READ_OPSETS:
        read = " and ".join(map(str, READ_OPSETS))
        raise ValueError(f"its operators are those of opset {opsets[0][1]}, and this version reads {read}")


def _check_tensor(tensor: dict[str, Any]) -> int:
    """Compare the shape of a tensor with the bytes that are there for it; returns their number."""
    name, dims, kind = tensor.get("name", ""), tensor["dims"], tensor.get("data_type")
    stored = len(tensor.get("raw_data", b""))
    if kind not in ITEM_BYTES:
        raise ValueError(f"the tensor {name!a:.100} is of type {kind}, which holds no plain numbers")
    if len(dims) > _MOST_DIMENSIONS or any(size < 0 for size in dims):
        raise ValueError(f"the tensor {name!a:.100} has {len(dims)} dimensions, or a negative one")
    needed = prod(dims) * ITEM_BYTES[kind]
    if needed != stored:
        raise ValueError(f"the tensor {name!a:.100} should hold {needed} bytes by its shape, and holds {stored}")
    return stored


def _check_nodes(nodes: list[dict[str, Any]]) -> None:
    if not 1 <= len(nodes) <= MAX_NODES:
        raise ValueError(f"it has {len(nodes)} operators, and a graph has 1 to {MAX_NODES}")
    for node in nodes:
        operator, domain = node.get("op_type", ""), node.get("domain", "")
        if domain not in _OWN_DOMAINS:
            raise ValueError(f"its operator {operator!a:.100} is of {domain!a:.100}, not one of ONNX's own")
        if operator in _RANDOM:
            raise ValueError(f"its operator {operator} gives another answer each time")
        for attribute in node["attribute"]:
            if "t" in attribute:
                _check_tensor(attribute["t"])


def _check_value(values: list[dict[str, Any]], word: str, name: str, sizes: list[int]) -> None:
    """There must be one input and one output of their names, float32, with any number of rows."""
    wanted = f"one {word}, {name!r}, float32 of shape (N, {', '.join(map(str, sizes))})"
    if [each.get("name") for each in values] != [name]:
        names = ", ".join(ascii(each.get("name", ""))[:50] for each in values[:5]) or "none"
        raise ValueError(f"it must have {wanted}; it has {names}")
    tensor = values[0].get("type", {}).get("tensor_type", {})
    dims = [each.get("dim_value") for each in tensor.get("shape", {}).get("dim", [])]
    if tensor.get("elem_type") != FLOAT32 or dims != [None, *sizes]:
        found = ", ".join("N" if size is None else str(size) for size in dims[:8])
        raise ValueError(f"it must have {wanted}; its element type is {tensor.get('elem_type')}, its shape ({found})")
