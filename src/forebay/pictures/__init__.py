"""From the bytes of a picture file to uint8 pixels: the one place with the rules, for ingest and for serving alike.

Kinds read: JPEG, PNG, GIF, BMP, WebP, TIFF and PPM/PGM/PBM. Of a file with several frames, the first counts.

- Size: `max_pixels` is checked from the header, before anything is decoded. Pillow's own limit of about 179 million
  pixels holds above it.
- Orientation: a turn or mirroring in EXIF (or XMP) is applied; a broken EXIF block counts as none.
- Grey (black and white, grey, grey with alpha) gives 1 channel, everything else gives 3, in the order red, green, blue.
- 16-bit grey keeps its high byte, as Pillow does with 16-bit colours. 32-bit whole numbers are read as 16-bit ones and
  refused outside 0..65535. Floating point is read as 0..1 and refused outside.
- Palette: expanded to colour, even where every entry is grey.
- Alpha, a transparent palette entry or a transparent colour: composited on white. (The transparent value of a 16-bit
  grey PNG is ignored.)
- CMYK, YCbCr and HSV: converted to RGB without colour management.
- Asked for 1 channel, colour becomes its luma (ITU-R 601-2); asked for 3, grey is repeated.
"""

from forebay.pictures.decode import PictureError, decode, to_channels
from forebay.pictures.resize import resize

__all__ = ["PictureError", "decode", "resize", "to_channels"]
