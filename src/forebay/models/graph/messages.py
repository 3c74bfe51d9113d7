"""The messages of ONNX with the fields that a graph of ours may have, and words for those that it may not have.

Numbers and names are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from forebay.models.graph.protobuf import Field, Schema

SCHEMA: Schema = {
    "model": {
        1: Field("ir_version", "int"), 2: Field("producer_name", "text"), 3: Field("producer_version", "text"),
        4: Field("domain", "text"), 5: Field("model_version", "int"), 6: Field("doc_string", "text"),
        7: Field("graph", "graph"), 8: Field("opset_import", "opset", repeated=True),
    },
    "opset": {1: Field("domain", "text"), 2: Field("version", "int")},
    "graph": {
        1: Field("node", "node", repeated=True), 2: Field("name", "text"),
        5: Field("initializer", "tensor", repeated=True),
        11: Field("input", "value", repeated=True), 12: Field("output", "value", repeated=True),
    },
    "node": {
        1: Field("input", "text", repeated=True), 2: Field("output", "text", repeated=True), 3: Field("name", "text"),
        4: Field("op_type", "text"), 5: Field("attribute", "attribute", repeated=True), 7: Field("domain", "text"),
    },
    "attribute": {
        1: Field("name", "text"), 2: Field("f", "float"), 3: Field("i", "int"), 4: Field("s", "bytes"),
        5: Field("t", "tensor"), 7: Field("floats", "floats", repeated=True), 8: Field("ints", "ints", repeated=True),
        9: Field("strings", "bytes", repeated=True), 20: Field("type", "int"),
    },
    "tensor": {
        1: Field("dims", "ints", repeated=True), 2: Field("data_type", "int"), 8: Field("name", "text"),
        9: Field("raw_data", "bytes"),
    },
    "value": {1: Field("name", "text"), 2: Field("type", "type")},
    "type": {1: Field("tensor_type", "tensor type")},
    "tensor type": {1: Field("elem_type", "int"), 2: Field("shape", "shape")},
    "shape": {1: Field("dim", "dimension", repeated=True)},
    "dimension": {1: Field("dim_value", "int"), 2: Field("dim_param", "text")},
}  # fmt: skip

_OTHER_FILE = "keeps its numbers in another file"
_NESTED = "holds a graph inside an operator (loops and branches are not served)"
REFUSALS: dict[tuple[str, int], str] = {
    ("model", 20): "brings a training graph",
    ("model", 25): "brings functions of its own",
    ("graph", 15): "holds sparse weights",
    ("node", 8): "names an overload of its own",
    ("attribute", 6): _NESTED,
    ("attribute", 11): _NESTED,
    ("attribute", 21): "refers to a function's argument",
    ("attribute", 22): "holds sparse numbers",
    ("attribute", 23): "holds sparse numbers",
    ("tensor", 3): "holds a part of its numbers only",
    ("tensor", 6): "holds text in place of numbers",
    ("tensor", 13): _OTHER_FILE,
    ("tensor", 14): _OTHER_FILE,
    ("type", 4): "is a sequence, not a tensor",
    ("type", 5): "is a map, not a tensor",
    ("type", 9): "is optional, not a tensor",
}

ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Bytes of one number by `data_type`: the floats (16, 32, 64 bits, bfloat16), the integers and truth values."""

FLOAT32 = 1
