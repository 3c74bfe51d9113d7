"""What a file is that no reader of images takes, for people; the first bytes tell."""

import contextlib
import io
import re
from typing import Any

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
HEAD_BYTES = 1024  # only these are examined
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
NOT_READ = f"not an image of a kind that is read ({', '.join(FORMATS)})"
NO_HEIC = "HEIC image: install forebay[heic] to read it (pip install 'forebay[heic]'), or convert it to JPEG"

# First bytes in lower case, without a byte order mark and white space before them.
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer, not the image: run `git lfs pull` where it was "
     "cloned"),
    (b"version https://hawser.github.com/spec", "a Git LFS pointer, not the image: run `git lfs pull` where it was "
     "cloned"),
    (b"<!doctype html", "an HTML page, not an image: what was downloaded is a page that shows or refuses it"),
    (b"<html", "an HTML page, not an image: what was downloaded is a page that shows or refuses it"),
    (b"%pdf-", f"a PDF document, {NOT_READ}"),
    (b"%!ps", f"a PostScript document, {NOT_READ}"),
)  # fmt: skip
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw image (RAF)"),
    (0, b"IIU\x00", "a camera's raw image (RW2)"),
    (0, b"IIRO", "a camera's raw image (ORF)"),
    (0, b"IIRS", "a camera's raw image (ORF)"),
    (0, b"MMOR", "a camera's raw image (ORF)"),
    (0, b"\x00\x00\x01\x00", "a Windows icon"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"#?RADIANCE", "a Radiance HDR image"),
    (0, b"SIMPLE  =", "a FITS file"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of Windows (such as Thumbs.db)"),
    (0, b"\x00\x00\x00\x01Bud1", "a file of macOS (.DS_Store)"),
    (0, b"\x00\x05\x16\x07", "a side file of macOS (AppleDouble)"),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (8, b"AVI ", "a video (AVI)"),
    (0, b"\x00\x00\x01\xba", "a video (MPEG)"),
    (0, b"\x00\x00\x01\xb3", "a video (MPEG)"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)"),
    (0, b"FLV\x01", "a video (Flash)"),
    (0, b"OggS", "a video or sound (Ogg)"),
    (8, b"WAVE", "a sound (WAV)"),
    (0, b"ID3", "a sound (MP3)"),
    (0, b"fLaC", "a sound (FLAC)"),
)
_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 262, 330, 50706  # tags of TIFF
_SENSOR = (32803, 34892)  # photometric: colour filter array, linear raw


def describe_unreadable(data: bytes) -> str:
    """Describe a file that no reader took, and what to do where that is known."""
    head = data[:HEAD_BYTES]
    if not data:
        return "the file is empty"
    if not data.strip(b"\0"):
        return "only zero bytes, not an image: a copy or a download broke off; get the file again"
    return _box(head) or _text(head) or camera_raw_kind(data) or _binary(head) or NOT_READ


def is_heic(data: bytes) -> bool:
    """Whether a file is a still image in a HEIF container, coded by HEVC."""
    brand, compatible = _brands(data[:HEAD_BYTES])
    return brand in HEIC_BRANDS and not set(compatible) & set(AVIF_BRANDS)


def camera_raw_kind(data: bytes) -> str | None:
    """Describe a camera's raw image that looks like TIFF; TIFF readers would find its preview, or bare sensor data."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    tags = _tiff_tags(data)
    preview = tags.get(_SUBFILE_TYPE, 0) == 1 and _SUB_IFDS in tags
    if not (data[8:10] == b"CR" or preview or tags.get(_PHOTOMETRIC) in _SENSOR):
        return None
    kind = "CR2" if data[8:10] == b"CR" else "DNG" if _DNG_VERSION in tags else "NEF, ARW or alike"
    return f"a camera's raw image ({kind}), {NOT_READ}: export it as JPEG or PNG"


def _tiff_tags(data: bytes) -> dict[int, Any]:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags: dict[int, Any] = {}
    with contextlib.suppress(Exception):  # damaged tags count as absent
        found = ImageFileDirectory_v2(data[:8])
        stream = io.BytesIO(data)
        stream.seek(found.next)
        found.load(stream)
        for tag in (_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION):
            if tag in found:
                tags[tag] = found[tag]
    return tags


def _brands(head: bytes) -> tuple[bytes, list[bytes]]:
    """The major and the compatible brands of an ISO base media file, such as MP4, HEIC and AVIF."""
    if head[4:8] != b"ftyp":
        return b"", []
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return head[8:12], [head[at : at + 4] for at in range(16, end - 3, 4)]


def _box(head: bytes) -> str | None:
    brand, compatible = _brands(head)
    if not brand:
        return None
    if brand in AVIF_BRANDS or set(compatible) & set(AVIF_BRANDS):
        return "AVIF image: the Pillow that is installed is built without AVIF; convert it to JPEG or PNG"
    if brand in HEIC_BRANDS:
        return NO_HEIC
    if brand == b"crx ":
        return f"a camera's raw image (CR3), {NOT_READ}: export it as JPEG or PNG"
    return f"a video (MP4 or QuickTime), {NOT_READ}"


def _text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for prefix, meaning in _TEXTS:
        if start.startswith(prefix):
            return meaning
    if b"/annex/objects/" in start:
        return "a git-annex pointer, not the image: run `git annex get` where it was cloned"
    if b"<svg" in start:
        return f"an SVG drawing, {NOT_READ}: convert it to PNG"
    if start.startswith(b"<?xml"):
        return f"an XML document ({_one_line(head)}), {NOT_READ}"
    if re.fullmatch(rb"[\t\n\f\r\x20-\x7e\x80-\xff]+", head) and _is_utf8(head):
        return f"text ({_one_line(head)}), {NOT_READ}"
    return None


def _is_utf8(head: bytes) -> bool:
    """Whether the bytes are UTF-8; the last character may be cut off."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.end == len(head) and error.reason == "unexpected end of data"
    return True


def _one_line(head: bytes) -> str:
    words = " ".join(head.decode(errors="replace").split())
    return repr(words if len(words) <= 60 else f"{words[:60]}…")


def _binary(head: bytes) -> str | None:
    for offset, magic, meaning in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return f"{meaning}, {NOT_READ}"
    return None
