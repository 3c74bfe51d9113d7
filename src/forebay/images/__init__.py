"""From the bytes of an image file to uint8 pixels. Ingest and serving follow the same rules, which stand here alone.

These kinds are read: JPEG, PNG, GIF, BMP, WebP, TIFF, PPM/PGM/PBM, AVIF, and HEIC with the extra `heic`. The first
frame of a file counts. A file that no reader takes is named from its first bytes (`file_kinds`). A camera's raw image
is refused even where it can be opened as TIFF, because that would read its preview.

- Size: `max_pixels` is compared with the header, before anything is decoded. Pillow has its own limit above it, about
  179 million pixels.
- Work: a file that takes far more work than its pixels are worth is refused, before it is decoded where `costs` can
  count the work, else between two pieces of it (`decode_budget`); `limits` has the numbers.
- Orientation: a turn or mirroring in EXIF (or XMP) is applied; a broken EXIF block counts as none.
- Grey (black and white, grey, grey with alpha) gives 1 channel, everything else gives 3, in the order red, green, blue.
- 16-bit grey and 16-bit colours are scaled by the bits in use (`bit_depth`), which a dataset has and not one image.
  Where all 16 are in use, the high byte is kept. 32-bit whole numbers are read as 16-bit ones and refused outside
  0..65535. Floating point is read as 0..1 and refused outside. (16-bit grey with alpha, 16-bit CMYK and 16-bit colours
  with a transparent colour keep their high byte. PGM is scaled to 16 bits by the maximum it names.)
- Palette: expanded to colour, even where every entry is grey.
- Alpha, a transparent palette entry or a transparent colour: the image is composited on white. (The transparent value
  of a 16-bit grey PNG is ignored.)
- CMYK, YCbCr and HSV: converted to RGB without colour management.
- Channels: for 1, colour becomes luma (ITU-R 601-2); for 3, grey is repeated.
- Size (`fit`): an image with another aspect ratio is cropped, letterboxed or stretched.
"""

from forebay.images.bit_depth import BitDepth, bit_depth_of
from forebay.images.decode import DecodedImage, decode, decode_values, opened_values, to_8_bits, to_channels
from forebay.images.decode_budget import CancellationToken, DecodeBudget
from forebay.images.errors import DecodingCancelledError, UnusableImageError
from forebay.images.fit import ImagePreparation, fit
from forebay.images.resize import resize
from forebay.settings.image_rules import MAX_PIXELS

__all__ = [
    "MAX_PIXELS",
    "BitDepth",
    "CancellationToken",
    "DecodeBudget",
    "Decoded",
    "DecodedImage",
    "DecodingCancelledError",
    "ImagePreparation",
    "UnusableImageError",
    "bit_depth_of",
    "decode",
    "decode_values",
    "fit",
    "opened_values",
    "resize",
    "to_8_bits",
    "to_channels",
]
