"""The work that decoding a file takes, counted from its bytes; a file that takes too much is refused undecoded.

`decode` checks the number of pixels. All functions here raise UnusableImageError with the reason `too_costly`.
"""

from PIL import Image

from forebay.images.costs import heif, jpeg, plain_netpbm, png, tiff
from forebay.images.errors import too_costly
from forebay.images.limits import MAX_EXIF_BYTES, SMALL_BYTES


def check_bytes(data: bytes, max_pixels: int) -> None:
    """Check, before Pillow opens the file, what costs memory or time while it is opened."""
    head = data[:4]
    if head in tiff.MAGICS:
        tiff.check_bytes(data, max_pixels)
    elif data[4:8] == b"ftyp":
        heif.check_bytes(data)
    elif len(data) <= SMALL_BYTES:
        return
    elif head[:3] == jpeg.MAGIC:
        jpeg.check_bytes(data)
    elif head == png.MAGIC:
        png.check_bytes(data)
    elif head[:2] in plain_netpbm.MAGICS:
        plain_netpbm.check_bytes(data)


def check_opened(image: Image.Image, data: bytes, max_pixels: int) -> bool:
    """Check, once Pillow has read the header, what costs time while the pixels are read.

    Returns:
        Whether the file is a JPEG of several scans.
    """
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and len(exif) > MAX_EXIF_BYTES:
        raise too_costly(f"an EXIF block of {len(exif)} bytes, at most {MAX_EXIF_BYTES} are read")
    if image.format in ("JPEG", "MPO"):
        return jpeg.check_scans(image, data, max_pixels)
    if image.format in ("AVIF", "HEIF"):
        heif.check_pixels(data, image.width * image.height)
    if image.format == "PPM":
        plain_netpbm.check_samples(image)
    return False
