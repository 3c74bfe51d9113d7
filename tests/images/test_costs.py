"""What costs far more than its pixels are worth is refused before it is decoded; what people have is not."""

import io
import math
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forebay.images import MAX_PIXELS, UnusableImageError, decode
from forebay.settings import IngestConfig
from support.costly_images import chunk, grey_tiff, many_scans, png, segment, tiff

LARGE = (1200, 1600)
QUICK_S = 2.0  # of a core; each of these took between ten seconds and minutes


def photo(height: int, width: int) -> Image.Image:
    """Colours that run smoothly, with the noise of a sensor."""
    rows, columns = np.ogrid[0:height, 0:width]
    smooth = ((rows + columns) * 190 // (height + width)).astype(np.uint8)
    noise = np.random.default_rng(7).integers(0, 64, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(smooth[:, :, None] + noise)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    start = time.thread_time()
    with pytest.raises(UnusableImageError) as caught:
        decode(data, channels=None, max_pixels=max_pixels)
    assert time.thread_time() - start < QUICK_S
    assert caught.value.reason == "too_costly"
    return caught.value.detail


@pytest.fixture(scope="module")
def large_photo() -> Image.Image:
    return photo(*LARGE)


@pytest.mark.parametrize("subsampling", [0, 2])  # 4:4:4 and 4:2:0
def test_a_progressive_photo_of_more_than_a_mb_is_read_to_the_bit_even_where_it_has_all_pixels_allowed(
    large_photo: Image.Image, subsampling: int
) -> None:
    data = encoded(large_photo, "JPEG", progressive=True, quality=97, subsampling=subsampling)
    assert len(data) > 1_000_000
    assert data.count(b"\xff\xda") >= 8
    pixels = decode(data, channels=None, max_pixels=math.prod(LARGE))
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))


def test_scans_of_what_a_jpeg_carries_beside_its_image_do_not_count() -> None:
    image = encoded(photo(90, 120), "JPEG", progressive=True)
    thumbnails = segment(0xE2, b"\xff\xda" * 300)
    for data in (image[:2] + thumbnails + image[2:], image + image * 20):
        pixels = decode(data, channels=None, max_pixels=90 * 120)
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(image))))


@pytest.mark.parametrize(
    ("height", "width", "scans", "words"),
    [
        (6250, 8000, 26_600, "scans walk over its 6250x8000 pixels too often: over more than 1200000000 samples"),
        (6250, 8000, 30, "24 for each of 50000000 pixels: save it again, as a baseline JPEG"),
        (64, 64, 26_600, "a JPEG of more than 100 scans"),
    ],
)
def test_a_jpeg_of_too_many_scans_is_refused(height: int, width: int, scans: int, words: str) -> None:
    assert words in refusal(many_scans(height, width, scans))


def test_as_many_scans_as_allowed_are_decoded() -> None:
    assert decode(many_scans(400, 400, 100), channels=None, max_pixels=MAX_PIXELS).shape == (400, 400, 1)
    assert decode(many_scans(400, 400, 24), channels=None, max_pixels=400 * 400).shape == (400, 400, 1)


@pytest.mark.parametrize(
    ("between", "words"),
    [
        (b"\xff" * 10_000_000, "more than 65536 bytes that belong to no segment"),
        (b"\xff\xe0\0\2" + bytes(10_000_000), "more than 65536 bytes that belong to no segment"),
        (b"\xff\xe1\0\2" * 2_000_000, "more than 4096 segments before its image"),
        (segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 100, "EXIF in 100 segments, at most 16 are read"),
    ],
)
def test_what_stands_before_the_image_of_a_jpeg_is_bounded(between: bytes, words: str) -> None:
    image = encoded(photo(8, 8), "JPEG")
    assert words in refusal(image[:2] + between + image[2:])


def test_what_stands_between_the_chunks_of_a_png_is_bounded() -> None:
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 20), 9))
    assert "70 compressed texts or profiles in a PNG, at most 64 are read" in refusal(png(profile * 70))
    assert "a PNG of more than 100000 chunks" in refusal(png(chunk(b"abCd", b"") * 1_000_000))
    assert "an EXIF block of 200000" in refusal(png(chunk(b"eXIf", b"II*\0" + bytes(1_999_996))))
    assert decode(png(profile * 20), channels=None, max_pixels=64).sum() == 0


def test_a_gif_in_millions_of_empty_blocks_is_stopped_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.images.decode_budget.MAX_READS", 100_000)
    data = b"GIF89a\x08\0\x08\0\0\0\0" + b"!\xfe\0" * 200_000
    assert "a file in pieces of a few bytes, of which at most 100000 are read" in refusal(data)


def test_tiles_larger_than_a_tiff_are_bounded_by_what_they_cover() -> None:
    tile = dict(t322=(4, 1, 40_000), t323=(4, 1, 40_000), t324=(4, 1, 8), t325=(4, 1, 9), t259=(3, 1, 8))
    assert "16x16 pixels in tiles of 40000x40000, which cover 1600000000 pixels" in refusal(
        tiff(grey_tiff(16, 16, **tile))
    )
    small = dict(t322=(4, 1, 512), t323=(4, 1, 512), t324=(4, 1, -1), t325=(4, 1, 512 * 512))
    data = tiff(grey_tiff(16, 16, **small), bytes([9]) * 512 * 512)
    assert decode(data, channels=None, max_pixels=256).tolist() == [[[9]] * 16] * 16


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (grey_tiff(8, 8, t282=(5, 2_000_000, -1)), "2000000 values of tag 282, at most 200000 are read"),
        (grey_tiff(2_000_000, 1, t273=(4, 2_000_000, -1)), "2000000 values of tag 273, at most 100000 are read"),
        (grey_tiff(8, 8, t34665=(4, 1, 8)) | {tag: (3, 1, 0) for tag in range(1000, 6000)}, "a directory of 5"),
    ],
)
def test_numbers_in_the_directory_of_a_tiff_are_bounded(entries: dict[int, tuple[int, int, int]], words: str) -> None:
    assert words in refusal(tiff(entries, bytes(16_000_000)))


def test_scans_of_the_jpegs_in_a_tiff_count() -> None:
    jpeg = many_scans(3000, 3000, 90)
    strip = dict(t259=(3, 1, 7), t273=(4, 1, -1), t278=(4, 1, 3000), t279=(4, 1, len(jpeg)))
    assert "a TIFF of JPEGs with up to 90 scans" in refusal(tiff(grey_tiff(3000, 3000, **strip), jpeg))
    data = encoded(photo(300, 400), "TIFF", compression="jpeg")
    np.testing.assert_array_equal(
        decode(data, channels=None, max_pixels=300 * 400), np.asarray(Image.open(io.BytesIO(data)))
    )


def test_images_in_digits_are_bounded() -> None:
    assert "12000000 numbers in digits, at most 5000000 are read" in refusal(b"P3 2000 2000 255\n" + b"1 " * 12_000_000)
    assert "200000 comments in an image of digits" in refusal(b"P2 9 9 255\n" + b"#\n" * 200_000)


@pytest.mark.parametrize("maximum", [1, 100, 254, 256, 1023, 4095, 65534])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_binary_image_below_any_maximum_is_scaled_as_pillow_does(maximum: int, bands: int) -> None:
    values = np.random.default_rng(maximum).integers(0, maximum + 2, 11 * 7 * bands)
    head = b"P%d 11 7 %d\n" % (5 if bands == 1 else 6, maximum)
    data = head + values.astype("u1" if maximum < 256 else ">u2").tobytes()
    expected = np.asarray(Image.open(io.BytesIO(data))) >> (8 if bands == 1 and maximum > 255 else 0)
    found = decode(data, channels=None, max_pixels=77)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    with pytest.raises(UnusableImageError, match="unreadable: damaged"):
        decode(data[:-1], channels=None, max_pixels=77)


def test_there_is_one_ceiling_of_pixels() -> None:
    assert IngestConfig(data="x").max_pixels == MAX_PIXELS


def test_a_file_is_judged_by_its_bytes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine refuses nothing else: what is counted is refused before the clock is looked at."""
    clock: Callable[[], float] = iter(range(0, 1 << 30, 1000)).__next__
    monkeypatch.setattr("forebay.images.decode_budget.time.thread_time", clock)
    assert decode(encoded(photo(64, 64), "JPEG"), channels=None, max_pixels=64 * 64).shape == (64, 64, 3)


def patched(data: bytes, box: bytes, shift: int, values: bytes) -> bytes:
    """A file with other bytes so far behind the name of a box."""
    start = data.index(box) + 4 + shift
    return data[:start] + values + data[start + len(values) :]


def test_an_avif_is_judged_by_the_pixels_that_are_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.images.costs.heif.MIN_TILE_PIXELS", 100_000)
    for mode, more in (("RGB", {}), ("RGBA", {"save_all": True, "append_images": [Image.new("RGBA", (640, 480))]})):
        data = encoded(Image.new(mode, (640, 480)), "AVIF", **more)
        assert decode(data, channels=None, max_pixels=640 * 480).shape == (480, 640, 3)
    hidden = patched(encoded(Image.new("RGB", (640, 480)), "AVIF"), b"ispe", 4, struct.pack(">II", 64, 64))
    assert "put together from 307200 pixels, at most 100000 are decoded" in refusal(hidden, 64 * 64)


def test_exif_of_avif_and_heic_is_bounded() -> None:
    exif = b"Exif\0\0II*\0" + bytes(1_500_000)
    assert "an EXIF block of 1500" in refusal(encoded(Image.new("RGB", (8, 8)), "AVIF", exif=exif))
