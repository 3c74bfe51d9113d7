"""Plain PPM and PGM, written in digits: Pillow reads them in Python, number by number."""

from typing import cast

from PIL import Image
from PIL.ImageFile import ImageFile

from forebay.images.errors import too_costly
from forebay.images.limits import MAX_PLAIN_COMMENTS, MAX_PLAIN_SAMPLES

MAGICS = (b"P1", b"P2", b"P3")


def check_bytes(data: bytes) -> None:
    """Refuse a file with many comments."""
    comments = data.count(b"#")
    if comments > MAX_PLAIN_COMMENTS:
        raise too_costly(f"{comments} comments in an image of digits, at most {MAX_PLAIN_COMMENTS} are read")


def check_samples(image: Image.Image) -> None:
    """Refuse a file with many numbers."""
    if cast(ImageFile, image).tile[0].codec_name != "ppm_plain" or image.mode == "1":
        return
    samples = image.width * image.height * len(image.getbands())
    if samples > MAX_PLAIN_SAMPLES:
        raise too_costly(
            f"{samples} numbers in digits, at most {MAX_PLAIN_SAMPLES} are read: save it as binary PPM or PNG"
        )
