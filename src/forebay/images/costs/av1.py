"""How large the frames of coded AV1 are, from its sequence headers (AV1 specification, 5.3 and 5.5)."""

from forebay.images.errors import too_costly
from forebay.images.limits import MAX_UNITS

_SEQUENCE_HEADER, _WITH_SIZE, _WITH_EXTENSION, _NO_UNIT = 1, 2, 4, 128


class _BitReader:
    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError("an AV1 sequence header is cut off")
        return self._bits >> self._left & ((1 << count) - 1)


def largest_frame(data: bytes, at: int = 0) -> int:
    """The pixels of the largest frame that a sequence of open bitstream units (OBUs) allows; 0 without a header.

    Raises:
        EOFError: a header is cut off.
        UnusableImageError: there are too many units.
    """
    most, units = 0, 0
    while at < len(data):
        head = data[at]
        if head & _NO_UNIT:
            break
        at += 2 if head & _WITH_EXTENSION else 1
        size, at = _leb128(data, at) if head & _WITH_SIZE else (len(data) - at, at)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            most = max(most, _frame_pixels(data[at : at + min(size, 256)]))
        at += size
        units += 1
        if units > MAX_UNITS:
            raise too_costly(f"an AVIF with an image of more than {MAX_UNITS} units, which is as many as are read")
    return most


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    return len(data), at


def _frame_pixels(header: bytes) -> int:
    bits = _BitReader(header)
    bits.take(4)  # the profile, and whether it is a still image
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_timing(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(across) + 1) * (bits.take(down) + 1)


def _skip_timing(bits: _BitReader) -> None:
    delay, model = 0, 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):  # equal_image_interval
            _skip_uvlc(bits)
        model = bits.take(1)
        if model:
            delay = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    shown = bits.take(1)  # initial_display_delay_present_flag
    for _ in range(bits.take(5) + 1):
        bits.take(12)  # operating_point_idc
        if bits.take(5) > 7:  # seq_level_idx
            bits.take(1)
        if model and bits.take(1):
            bits.take(2 * delay + 1)
        if shown and bits.take(1):
            bits.take(4)


def _skip_uvlc(bits: _BitReader) -> None:
    zeros = 0
    while not bits.take(1):
        zeros += 1
    if zeros < 32:
        bits.take(zeros)
