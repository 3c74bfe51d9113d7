"""Files that are no images of a kind that is read are named, and HEIC and AVIF are read."""

import io
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from forebay.images import UnusableImageError, decode

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
NOT_READ = "not an image of a kind that is read (JPEG, PNG, GIF, BMP, WEBP, TIFF, PPM, AVIF)"


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    body = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + b"\0\0\0\x08mdat"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", b"x")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def detail_of(data: bytes) -> str:
    with pytest.raises(UnusableImageError) as caught:
        decode(data, channels=None, max_pixels=1_000_000)
    assert caught.value.reason == "unreadable"
    return caught.value.detail


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "the file is empty"),
        (bytes(4096), "only zero bytes, not an image: a copy or a download broke off; get the file again"),
        (LFS, "a Git LFS pointer, not the image: run `git lfs pull` where it was cloned"),
        (b"/annex/objects/SHA256E-s3--ab.jpg\n", "a git-annex pointer, not the image: run `git annex get` where it "
         "was cloned"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>404", "an HTML page, not an image: what was downloaded is a page that "
         "shows or refuses it"),
        (b"<HTML><head>", "an HTML page, not an image: what was downloaded is a page that shows or refuses it"),
        (b'<?xml version="1.0"?>\n<!-- made --><svg xmlns="x"/>', f"an SVG drawing, {NOT_READ}: convert it to PNG"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document ("),
        (b'{"error": "quota exceeded"}', "text ('{\"error\": \"quota exceeded\"}'), " + NOT_READ),
        ("größer".encode(), f"text ('größer'), {NOT_READ}"),
        (b"8BPS\0\1", f"a Photoshop document, {NOT_READ}"),
        (b"%PDF-1.7\n\x80", f"a PDF document, {NOT_READ}"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", f"a PostScript document, {NOT_READ}"),
        (ftyp(b"isom", b"mp42"), f"a video (MP4 or QuickTime), {NOT_READ}"),
        (ftyp(b"qt  "), f"a video (MP4 or QuickTime), {NOT_READ}"),
        (b"\x1aE\xdf\xa3\x9f\x42", f"a video (Matroska or WebM), {NOT_READ}"),
        (b"RIFF\x10\0\0\0AVI LIST", f"a video (AVI), {NOT_READ}"),
        (zipped(), f"a zip archive, {NOT_READ}"),
        (tarred(), f"a tar archive, {NOT_READ}"),
        (bytes(128) + b"DICM\x02", f"a DICOM file, {NOT_READ}"),
        (ftyp(b"crx "), f"a camera's raw image (CR3), {NOT_READ}: export it as JPEG or PNG"),
        (b"\x01\x02\x03\xff\xfe", NOT_READ),
    ],
)  # fmt: skip
def test_what_is_no_image_is_named(data: bytes, detail: str) -> None:
    assert detail_of(data).startswith(detail)


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ([(50706, 1, 0x401), (254, 4, 1), (330, 4, 8)], "DNG"),
        ([(254, 4, 1), (330, 4, 8)], "NEF, ARW or alike"),
        ([(50706, 1, 0x401), (262, 3, 32803)], "DNG"),
    ],
)
def test_a_cameras_raw_image_is_refused_though_its_preview_could_be_read(
    tags: list[tuple[int, int, int]], kind: str
) -> None:
    every = {256: (3, 2), 257: (3, 1), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 278: (3, 1),
             279: (4, 2)} | {tag: (form, value) for tag, form, value in tags}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, (form, value) in sorted(every.items()))
    data = b"II*\0" + struct.pack("<I", 10) + b"\x09\x09" + struct.pack("<H", len(every)) + entries + bytes(4)
    assert detail_of(data) == f"a camera's raw image ({kind}), {NOT_READ}: export it as JPEG or PNG"


def test_a_pyramid_in_tiff_is_no_raw_image() -> None:
    """Its first image is the full one; smaller ones hang below."""
    buffer = io.BytesIO()
    Image.new("L", (4, 3), 5).save(buffer, "TIFF", tiffinfo={254: 0, 330: 8})
    assert decode(buffer.getvalue(), channels=None, max_pixels=99).shape == (3, 4, 1)


def test_avif_is_read() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 100, 50)).save(buffer, "AVIF", quality=95)
    pixels = decode(buffer.getvalue(), channels=None, max_pixels=999)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 4
    with pytest.raises(UnusableImageError, match="too_large"):
        decode(buffer.getvalue(), channels=None, max_pixels=99)


def heic() -> bytes:
    """Left half white, turned by a quarter for viewing."""
    import pillow_heif

    image = Image.new("RGB", (64, 32), 0)
    image.paste((255, 255, 255), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, exif=exif.tobytes())
    return buffer.getvalue()


def test_heic_is_read_as_it_is_viewed_where_the_extra_is_installed() -> None:
    data = heic()
    pixels = decode(data, channels=1, max_pixels=9999)
    assert pixels.shape == (64, 32, 1)
    assert pixels[:30].min() > 200
    assert pixels[34:].max() < 50
    with pytest.raises(UnusableImageError, match="too_large"):
        decode(data, channels=None, max_pixels=99)
    with pytest.raises(UnusableImageError, match="unreadable"):
        decode(data[:-200], channels=None, max_pixels=9999)


def test_heic_without_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pillow_heif")] + ["pillow_heif.as_plugin"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert detail_of(ftyp(b"heic", b"mif1", b"heic")) == (
        "HEIC image: install forebay[heic] to read it (pip install 'forebay[heic]'), or convert it to JPEG"
    )
