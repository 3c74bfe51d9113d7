"""What ingest, a model's spec and the server agree on about images; each fact has its one owner here."""

CROP, LETTERBOX, STRETCH = "crop", "letterbox", "stretch"
FIT_MODES = (CROP, LETTERBOX, STRETCH)  # how an image of another aspect ratio is brought to the size
BIT_DEPTHS = (8, 10, 12, 14, 16)  # what cameras, microscopes and scanners deliver in files of 16 bits
FULL_BITS = max(BIT_DEPTHS)  # the high byte of a 16-bit value is kept
LONGEST_SIDE = 9999  # pixels
MAX_PIXELS = 50_000_000  # height times width of a file; also of all files of one request
BILINEAR, BICUBIC, NEAREST = "bilinear", "bicubic", "nearest"
INTERPOLATIONS = (BILINEAR, BICUBIC, NEAREST)  # how stored images are brought to the size that a network takes
