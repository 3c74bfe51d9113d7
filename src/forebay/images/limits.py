"""What decoding one image may cost: every number, for ingest and for serving alike.

The number of pixels alone does not tell: a progressive JPEG of a few hundred kB may pass over all of its pixels
thousands of times. So `costs` counts from the bytes what a file asks for, and refuses it before it is decoded; these
rules decide the same about the same file on every machine. As a last resort, `decode_budget` checks the CPU time
between pieces of the work, and whether anybody still waits.

The costliest files tried that are accepted, in seconds of the decoding thread (AMD EPYC, two cores busy with other
work, Pillow 13.0.0, once each; 8000x6250 pixels where nothing else is said): BMP in runs of 4 bits 5.1; progressive
JPEG of noise, 63 MB, 4.6, with 670 MiB of memory beside the file; baseline JPEG of noise, 49 MB, 2.4, with the same
memory; lossless WebP of one colour 3.2; PNG of 16 bits and four channels 1.7; PNG of 99 000 chunks 0.8; TIFF of one
colour (LZMA) 1.7; GIF of noise 0.7; AVIF and HEIC of one colour 1.9 each, without their codec's own threads. WebP,
AVIF, HEIC and compressed TIFF are decoded in one call, which nothing interrupts: only their pixels bound them.
"""

MAX_CPU_S = 10.0  # for one image in ingest, for all images of one request; about twice the costliest accepted one

# Files up to this size are neither metered nor searched where their size bounds the work: a microsecond for each byte.
SMALL_BYTES = 1 << 16

# JPEG. An encoder writes about 10 scans, a careful one (mozjpeg) up to 20; libtiff stops at 100 as well.
MAX_SCANS = 100
# Samples that all scans pass over, for each pixel of max_pixels. The usual ten scans come to 8 with subsampled colours
# (4:2:0) and to 14 with all colours (4:4:4).
MAX_VISITS = 24
MAX_SEGMENTS = 4096  # before the first scan; a profile or an EXIF of many MB takes some hundreds
MAX_JUNK_BYTES = 1 << 16  # between them; Pillow looks at each of these bytes in Python
MAX_EXIF_SEGMENTS = 16  # up to 64 KiB each; Pillow joins them, each time copying what it has
MAX_EXIF_BYTES = 1 << 20  # JPEG holds 64 KiB of it; each number becomes a Python object where the image is turned

# Reads of Pillow's Python code: one for a block of most files, a few for a chunk of PNG or an extension of GIF, but two
# for each run of a BMP. One costs about a microsecond with what is done around it.
MAX_READS = 4_000_000
MAX_PLAIN_SAMPLES = 5_000_000  # numbers in digits (P2, P3)
MAX_PLAIN_COMMENTS = 1000  # each of them moves up to a MiB

MAX_CHUNKS = 100_000  # chunks of a PNG; an encoder that writes 4 kB at a time makes 16 000 of 64 MiB
MAX_COMPRESSED_CHUNKS = 64  # texts and profiles of a PNG; each may expand to 1 MiB (Pillow's MAX_TEXT_CHUNK)

MAX_TAGS = 4096  # entries of a TIFF's directory; there are about 20, and 100 in those of microscopes and maps
MAX_VALUES = 200_000  # numbers in one tag; the largest, a colour map, has 3 * 65536
MAX_STRIPS = 100_000  # strips or tiles
MIN_TILE_PIXELS = 20_000_000  # tiles may always cover this many, however small the image is
MAX_COVERED = (
    6  # tiles of a larger image may cover this many times its pixels: colours and transparency of a HEIC, edges
)

MAX_ITEMS = 20_000  # boxes, items and their parts in AVIF and HEIC; an image of 50 million pixels has about 200 tiles
MAX_SHARED = 16  # all items together may have this many times the bytes of the file; tiles of one colour share theirs
MAX_UNITS = 1000  # units of coded AV1 in one item; there are three, and a few hundred where each tile has its own
MAX_TRACKS = 16  # an animated image has one or two
