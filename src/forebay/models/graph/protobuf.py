"""Reads protobuf's wire format from memory that it does not copy, strictly: what a graph may not hold is refused.

A parser of all of ONNX would allocate what a file asks for before anybody could look at it. This one walks over the
bytes, counts, and knows each field that a message may have. A field that is not in its table, one that stands twice and
may not, and a wrong wire type are errors, so nothing else that reads the file can see in it what this did not.
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from forebay.models.graph.limits import MAX_FIELDS

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_INT64 = 1 << 63
_MAX_TEXT_BYTES = 1 << 16  # of one name


@dataclass(frozen=True)
class Field:
    """A field that a message may have."""

    name: str
    kind: str  # int, ints, text, bytes, float, floats, or the name of a message
    repeated: bool = False


Schema = Mapping[str, Mapping[int, Field]]  # by message, then by the field's number


@dataclass
class MessageReader:
    """Reads messages; it counts over all of them."""

    schema: Schema
    refusals: Mapping[tuple[str, int], str] = field(default_factory=dict)  # words for fields that are known and refused
    fields: int = 0

    def read(self, message: str, data: memoryview) -> dict[str, Any]:
        """The fields of a message by name; a repeated one is a list, bytes are views of `data`.

        Raises:
            ValueError: it is no such message.
        """
        known = self.schema[message]
        found: dict[str, Any] = {each.name: [] for each in known.values() if each.repeated}
        for number, wire_type, value in self._walk(data):
            each = known.get(number)
            if each is None:
                words = self.refusals.get((message, number), f"has the unknown field {number}")
                raise ValueError(f"{'an' if message[0] in 'aio' else 'a'} {message} in it {words}")
            if not each.repeated and each.name in found:
                raise ValueError(f"the {each.name} of a {message} stands twice")
            content = self._content(message, each, wire_type, value)
            if each.repeated and isinstance(content, list):
                found[each.name] += content
            elif each.repeated:
                found[each.name].append(content)
            else:
                found[each.name] = content
        return found

    def _content(self, message: str, each: Field, wire_type: int, value: Any) -> Any:
        if wire_type == _VARINT and each.kind in ("int", "ints"):
            return value - 2 * _INT64 if value >= _INT64 else value
        if wire_type == _BYTES and each.kind == "ints":
            return list(self._packed(value))
        if wire_type == _BYTES and each.kind == "text":
            return self._text(message, each, value)
        if wire_type == _BYTES and each.kind in ("bytes", "floats"):
            return value
        if wire_type == _FIXED32 and each.kind in ("float", "floats"):
            return value
        if wire_type == _BYTES and each.kind in self.schema:
            return self.read(each.kind, value)
        raise ValueError(f"the {each.name} of a {message} has wire type {wire_type}")

    def _text(self, message: str, each: Field, value: memoryview) -> str:
        if len(value) > _MAX_TEXT_BYTES:
            raise ValueError(f"the {each.name} of a {message} has {len(value)} bytes, more than {_MAX_TEXT_BYTES}")
        try:
            return bytes(value).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"the {each.name} of a {message} is no text") from error

    def _walk(self, data: memoryview) -> Iterator[tuple[int, int, Any]]:
        """Number, wire type and value of each field."""
        position = 0
        while position < len(data):
            self._count()
            key, position = _varint(data, position)
            wire_type = key & 7
            if wire_type == _VARINT:
                value, position = _varint(data, position)
                yield key >> 3, wire_type, value
                continue
            if wire_type == _BYTES:
                length, position = _varint(data, position)
            elif wire_type in (_FIXED32, _FIXED64):
                length = 4 if wire_type == _FIXED32 else 8
            else:
                raise ValueError(f"it holds wire type {wire_type}, which ONNX does not use")
            if length > len(data) - position:
                raise ValueError("it is cut short")
            yield key >> 3, wire_type, data[position : position + length]
            position += length

    def _packed(self, data: memoryview) -> Iterator[int]:
        position = 0
        while position < len(data):
            self._count()
            value, position = _varint(data, position)
            yield value - 2 * _INT64 if value >= _INT64 else value

    def _count(self) -> None:
        self.fields += 1
        if self.fields > MAX_FIELDS:
            raise ValueError(f"it holds more than {MAX_FIELDS} fields")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= len(data):
            raise ValueError("it is cut short")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2 * _INT64 - 1), position + index + 1
    raise ValueError("it holds a number of more than ten bytes")
