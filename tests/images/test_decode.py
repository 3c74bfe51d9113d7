import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forebay.images import UnusableImageError, decode

LIMIT = 1_000_000


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(mode: str = "RGB", height: int = 3, width: int = 5) -> Image.Image:
    values = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) * 5
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_colour_kinds_give_their_exact_pixels(kind: str) -> None:
    pixels = decode(encoded(ramp(), kind), channels=None, max_pixels=LIMIT)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(ramp()))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_come_close(kind: str) -> None:
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    pixels = decode(encoded(flat, kind, quality=95), channels=None, max_pixels=LIMIT)
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 4


def test_grey_keeps_one_channel_and_black_and_white_becomes_0_and_255() -> None:
    grey = decode(encoded(ramp("L")), channels=None, max_pixels=LIMIT)
    np.testing.assert_array_equal(grey[:, :, 0], np.asarray(ramp("L")))
    bits = decode(encoded(Image.fromarray(np.array([[True, False]]))), channels=None, max_pixels=LIMIT)
    np.testing.assert_array_equal(bits, [[[255], [0]]])


def test_asked_for_three_channels_grey_is_repeated_and_asked_for_one_colour_becomes_luma() -> None:
    repeated = decode(encoded(ramp("L")), channels=3, max_pixels=LIMIT)
    np.testing.assert_array_equal(repeated, np.repeat(np.asarray(ramp("L"))[:, :, None], 3, axis=2))
    luma = decode(encoded(Image.new("RGB", (1, 1), (255, 0, 0))), channels=1, max_pixels=LIMIT)
    assert luma.tolist() == [[[76]]]  # 0.299 * 255


def test_16_bit_grey_keeps_its_high_byte() -> None:
    values = np.array([[0, 255, 256, 65535]], dtype=np.uint16)
    pixels = decode(encoded(Image.fromarray(values)), channels=None, max_pixels=LIMIT)
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 255]


def test_32_bit_grey_is_read_as_16_bit_and_refused_outside() -> None:
    values = np.array([[0, 512, 65535]], dtype=np.int32)
    pixels = decode(encoded(Image.fromarray(values), "TIFF"), channels=None, max_pixels=LIMIT)
    assert pixels[0, :, 0].tolist() == [0, 2, 255]
    with pytest.raises(UnusableImageError, match=r"unreadable: grey values outside 0\.\.65535"):
        decode(encoded(Image.fromarray(values * 2), "TIFF"), channels=None, max_pixels=LIMIT)


def test_floating_point_grey_is_read_as_0_to_1_and_refused_outside() -> None:
    values = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    pixels = decode(encoded(Image.fromarray(values), "TIFF"), channels=None, max_pixels=LIMIT)
    assert pixels[0, :, 0].tolist() == [0, 128, 255]
    for bad in (values * 3, values * np.float32("nan")):
        with pytest.raises(UnusableImageError, match=r"unreadable: grey values outside 0\.\.1"):
            decode(encoded(Image.fromarray(bad), "TIFF"), channels=None, max_pixels=LIMIT)


def test_alpha_is_composited_on_white() -> None:
    colour = Image.fromarray(np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 128]]], dtype=np.uint8))
    pixels = decode(encoded(colour), channels=None, max_pixels=LIMIT)
    assert pixels[0].tolist() == [[200, 0, 0], [255, 255, 255], [127, 127, 127]]
    grey = Image.merge("LA", [Image.new("L", (1, 1), 10), Image.new("L", (1, 1), 0)])
    assert decode(encoded(grey), channels=None, max_pixels=LIMIT).tolist() == [[[255]]]


def test_a_palette_becomes_colour_with_its_transparent_entry_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decode(encoded(image), channels=None, max_pixels=LIMIT)[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    clear = decode(encoded(image, transparency=1), channels=None, max_pixels=LIMIT)
    assert clear[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_transparent_colour_goes_on_white() -> None:
    colour = decode(encoded(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3)), channels=None, max_pixels=9)
    assert colour.tolist() == [[[255, 255, 255]]]
    grey = decode(encoded(Image.new("L", (1, 1), 7), transparency=7), channels=None, max_pixels=9)
    assert grey.tolist() == [[[255]]]


def test_cmyk_becomes_rgb() -> None:
    pixels = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), channels=None, max_pixels=LIMIT)
    assert pixels.shape == (8, 8, 3)
    assert pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_exif_orientation_is_applied_once(kind: str) -> None:
    image = Image.new("L", (32, 16), 0)
    image.paste(255, (0, 0, 16, 16))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # turned 90 degrees clockwise for viewing: the left side comes up
    pixels = decode(encoded(image, kind, exif=exif), channels=1, max_pixels=LIMIT)
    assert pixels.shape == (32, 16, 1)
    assert pixels[:16].min() > 200
    assert pixels[16:].max() < 50


def test_a_broken_exif_block_counts_as_none() -> None:
    data = encoded(Image.new("L", (2, 1), 9), "PNG", exif=b"Exif\x00\x00not exif at all")
    assert decode(data, channels=None, max_pixels=LIMIT).tolist() == [[[9], [9]]]


def test_of_several_frames_the_first_counts() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, channels=None, max_pixels=LIMIT)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "the file is empty"),
        (b"this is text, not an image", "not an image of a kind that is read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a kind that is read"),
        (encoded(ramp())[:-30], "damaged"),
        (encoded(ramp(height=64, width=64), "JPEG")[:400], "damaged"),
    ],
)
def test_what_is_no_whole_image_is_unreadable(data: bytes, detail: str) -> None:
    with pytest.raises(UnusableImageError, match=detail) as caught:
        decode(data, channels=None, max_pixels=LIMIT)
    assert caught.value.reason == "unreadable"


def png_that_claims(height: int, width: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(9)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@pytest.mark.parametrize(("height", "width"), [(30_000, 30_000), (1, 1_000_001)])
def test_a_bomb_is_refused_from_its_header(height: int, width: int) -> None:
    with pytest.raises(UnusableImageError) as caught:
        decode(png_that_claims(height, width), channels=None, max_pixels=LIMIT)
    assert caught.value.reason == "too_large"


def test_the_result_is_writable_memory_of_its_own() -> None:
    pixels = decode(encoded(ramp()), channels=None, max_pixels=LIMIT)
    pixels[:] = 0
    assert pixels.sum() == 0
