"""What a message takes in memory once it is parsed, from its bytes: two of them can become an object of a hundred."""

from typing import Any

from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.protocol.json_text import UNCHECKED_BYTES
from forebay.serving.rejection import RequestRejectedError

MAX_FIELDS = 1 << 16  # of a message and all messages in it; packed numbers are one field, and so is an image file
FIELD_BYTES = 128  # memory of a field: an empty message, or an entry of a map
NUMBER_BYTES = 8  # memory of a packed number, which takes one byte or more of the message
MAX_VARINT_BYTES = 10
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types


def reserve_parsed(message: bytes, descriptor: Any, reservation: MemoryReservation) -> None:
    """Hold the memory that a message takes once it is parsed.

    Args:
        message: as it came.
        descriptor: protobuf's, of the message.
        reservation: holds the memory.

    Raises:
        RequestRejectedError: it is not such a message, it has too many fields (413), or there is no memory now (503).
        NotSmallError: it is too much for a small request.
    """
    scan = _MessageScan()
    scan.read(memoryview(message), descriptor)
    if len(message) > UNCHECKED_BYTES:
        # Twice its length: the parser copies tensors, and so does who reads them from it.
        reservation.reserve_decoded(2 * len(message) + scan.fields * FIELD_BYTES + scan.packed_bytes * NUMBER_BYTES)


def not_a_message() -> RequestRejectedError:
    """The rejection of bytes that are no message."""
    return RequestRejectedError("expected a message inference.ModelInferRequest, got bytes that are not one.")


class _MessageScan:
    """Counts what a message holds, in one pass over its fields."""

    def __init__(self) -> None:
        self.fields = 0
        self.packed_bytes = 0

    def read(self, data: memoryview, descriptor: Any) -> None:
        """Count the fields of a message and of those in it; no message of the protocol contains itself."""
        known, position = descriptor.fields_by_number, 0
        while position < len(data):
            self._count_field()
            key, position = _varint(data, position)
            wire_type, field = key & 7, known.get(key >> 3)
            start = position
            if wire_type == _VARINT:
                _, position = _varint(data, position)
            elif wire_type == _LENGTH:
                length, start = _varint(data, position)
                position = start + length
            elif wire_type in (_FIXED32, _FIXED64):
                position += 8 if wire_type == _FIXED64 else 4
            else:
                raise not_a_message()
            if position > len(data):
                raise not_a_message()
            if wire_type == _LENGTH and field is not None:
                self._read_content(data[start:position], field)

    def _read_content(self, content: memoryview, field: Any) -> None:
        if field.message_type is not None:
            self.read(content, field.message_type)
        elif field.type not in (field.TYPE_BYTES, field.TYPE_STRING):
            self.packed_bytes += len(content)

    def _count_field(self) -> None:
        self.fields += 1
        if self.fields > MAX_FIELDS:
            raise RequestRejectedError(
                f"expected a message of at most {MAX_FIELDS} fields, got more. Send the images as raw_input_contents, "
                "or fewer at once.",
                413,
            )


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of variable length, and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise not_a_message()
