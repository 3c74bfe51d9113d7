"""From the bytes of an image file to uint8 pixels: the one place with the rules, for ingest and for serving alike.

Kinds read: JPEG, PNG, GIF, BMP, WebP, TIFF, PPM/PGM/PBM, AVIF, and with the extra `heic` HEIC. Of a file with several
frames, the first counts. What no reader takes is named from its first bytes (`kinds`). A camera's raw image is
refused even where it can be opened as TIFF: that would be its preview.

- Size: `max_pixels` is checked from the header, before anything is decoded. Pillow's own limit of about 179 million
  pixels holds above it.
- Work: what takes far more of it than its pixels are worth is refused, before it is decoded where it can be counted
  (`limits` has the numbers, `costs` counts), else between two pieces of it (`watch`).
- Orientation: a turn or mirroring in EXIF (or XMP) is applied; a broken EXIF block counts as none.
- Grey (black and white, grey, grey with alpha) gives 1 channel, everything else gives 3, in the order red, green, blue.
- 16-bit grey and 16-bit colours are scaled by the depth that is in use (`depth`), which belongs to the dataset and not
  to one image. Of 16 bits in use, the high byte is kept. 32-bit whole numbers are read as 16-bit ones and refused
  outside 0..65535. Floating point is read as 0..1 and refused outside. (16-bit grey with alpha, 16-bit CMYK and
  16-bit colours with a transparent colour keep their high byte. PGM is scaled to 16 bits by the maximum it names.)
- Palette: expanded to colour, even where every entry is grey.
- Alpha, a transparent palette entry or a transparent colour: composited on white. (The transparent value of a 16-bit
  grey PNG is ignored.)
- CMYK, YCbCr and HSV: converted to RGB without colour management.
- Asked for 1 channel, colour becomes its luma (ITU-R 601-2); asked for 3, grey is repeated.
- Brought to a size (`fit`): cropped, letterboxed or stretched where the aspect ratio is another one.
"""

from forebay.images.bit_depth import BitDepth, bit_depth_of
from forebay.images.decode import DecodedImage, decode, decode_values, to_8_bits, to_channels
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
    "resize",
    "to_8_bits",
    "to_channels",
]
