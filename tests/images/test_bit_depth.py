"""16-bit values: how many bits are in use, and what becomes of them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from forebay.images import UnusableImageError, bit_depth_of, decode, decode_values, to_8_bits

LIMIT = 1_000_000


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_16(values_HWC: NDArray[np.uint16], filter_type: int = 0) -> bytes:
    """A PNG of 16 bits in 1 to 4 channels, which Pillow itself does not write in colour."""
    height, width, channels = values_HWC.shape
    rows = values_HWC.astype(">u2").view(np.uint8).reshape(height, -1)
    if filter_type == 2:  # each row is the difference from the one above
        rows = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    raw = b"".join(bytes([filter_type]) + row.tobytes() for row in rows)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(raw)),
              (b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def tiff_12_packed(values_HW: NDArray[np.uint16]) -> bytes:
    """A TIFF of 12 bits a sample, two in three bytes."""
    height, width = values_HW.shape
    pairs = values_HW.reshape(-1, 2).astype(np.uint32)
    joined = pairs[:, 0] << 12 | pairs[:, 1]
    body = np.stack([joined >> 16, joined >> 8 & 255, joined & 255], 1).astype(np.uint8).tobytes()
    tags = [(256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 3, height), (279, 4, len(body))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    header = b"II*\0" + struct.pack("<I", 8 + len(body))
    return header + body + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("top", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (16383, 14), (16384, 16)]
)
def test_the_depth_is_the_smallest_that_holds_every_value(top: int, bits: int) -> None:
    assert bit_depth_of(np.array([[[0], [top]]], np.uint16)).bits == bits


def test_the_usual_depth_leaves_a_hot_pixel_out() -> None:
    values = np.full((40, 50, 1), 4000, np.uint16)
    values[3, 3] = 65535
    assert bit_depth_of(values) == (16, 12)
    values[:10] = 65535
    assert bit_depth_of(values) == (16, 16)


def test_values_are_scaled_by_their_depth_rounded_and_clipped_above() -> None:
    data = png_16(np.array([[0, 8, 9, 2047, 2048, 4087, 4095, 60000]], np.uint16)[:, :, None])
    assert decode(data, channels=None, max_pixels=LIMIT, bits=12)[0, :, 0].tolist() == [
        0, 0, 1, 127, 128, 255, 255, 255,
    ]  # fmt: skip
    values = np.arange(4096)
    twelve = decode(encoded(Image.fromarray(values.astype(np.uint16)[None])), channels=1, max_pixels=LIMIT, bits=12)
    assert twelve[0, :, 0].tolist() == [int(value * 255 / 4095 + 0.5) for value in values]


def test_a_depth_of_8_keeps_values_and_one_of_16_the_high_byte() -> None:
    values = np.array([[[0], [17], [255]]], np.uint16)
    assert decode(png_16(values), channels=None, max_pixels=9, bits=8)[0, :, 0].tolist() == [0, 17, 255]
    assert decode(png_16(values * 257), channels=None, max_pixels=9)[0, :, 0].tolist() == [0, 17, 255]


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(np.array([[5, 4095]], np.uint16)), "TIFF"),
        encoded(Image.fromarray(np.array([[5, 4095]], np.uint16)), "TIFF", compression="tiff_lzw"),
        encoded(Image.fromarray(np.array([[5, 4095]], ">u2")), "TIFF"),
        encoded(Image.fromarray(np.array([[5, 4095]], np.int32)), "TIFF"),
        tiff_12_packed(np.array([[5, 4095]], np.uint16)),
        b"P5 2 1 65535\n" + np.array([5, 4095], ">u2").tobytes(),
    ],
    ids=["tiff", "lzw", "big-endian", "32 bits", "12 bits packed", "pgm"],
)
def test_16_bit_grey_of_every_kind_is_scaled(data: bytes) -> None:
    decoded = decode_values(data, max_pixels=LIMIT)
    assert bit_depth_of(decoded.values).bits == 12  # type: ignore[arg-type]
    assert to_8_bits(decoded, 12)[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("filter_type", [0, 2])
def test_colours_of_16_bits_are_read_in_full(filter_type: int) -> None:
    values = np.random.default_rng(1).integers(0, 4096, (4, 5, 3)).astype(np.uint16)
    data = png_16(values, filter_type)
    np.testing.assert_array_equal(decode_values(data, max_pixels=LIMIT).values, values)
    assert decode(data, channels=None, max_pixels=LIMIT).max() <= 15  # the high byte, as ever
    assert len(np.unique(decode(data, channels=None, max_pixels=LIMIT, bits=12))) > 40


def test_alpha_beside_colours_of_16_bits_goes_on_white_as_ever() -> None:
    values = np.full((1, 2, 4), 65535, np.uint16)
    values[:, :, :3] = 4095
    values[0, 1, 3] = 0
    assert decode(png_16(values), channels=None, max_pixels=LIMIT, bits=12)[0].tolist() == [[255] * 3, [255] * 3]
    values[:, :, :3] = 2048
    assert decode(png_16(values), channels=None, max_pixels=LIMIT, bits=12)[0].tolist() == [[128] * 3, [255] * 3]
    deep = to_8_bits(decode_values(png_16(values), max_pixels=LIMIT), 16)
    np.testing.assert_array_equal(deep, decode(png_16(values), channels=None, max_pixels=LIMIT))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_uses_16_bits_is_the_high_byte_whichever_way_it_is_read(channels: int) -> None:
    values = np.random.default_rng(channels).integers(0, 65536, (6, 7, channels)).astype(np.uint16)
    whole = to_8_bits(decode_values(png_16(values), max_pixels=LIMIT), 16)
    np.testing.assert_array_equal(whole, decode(png_16(values), channels=None, max_pixels=LIMIT))
    if channels in (1, 3):
        np.testing.assert_array_equal(whole, values >> 8)


def test_32_bit_values_above_16_bits_stay_refused() -> None:
    data = encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF")
    with pytest.raises(UnusableImageError, match=r"grey values outside 0\.\.65535"):
        decode_values(data, max_pixels=LIMIT)
