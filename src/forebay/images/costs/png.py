"""PNG: Pillow reads its chunks in Python, and unpacks some of them."""

from forebay.images.errors import too_costly
from forebay.images.limits import MAX_CHUNKS, MAX_PACKED_CHUNKS

MAGIC = b"\x89PNG"
_PACKED = (b"zTXt", b"iTXt", b"iCCP")


def check_bytes(data: bytes) -> None:
    """Refuse a file of very many chunks, or of many that are compressed beside the image."""
    packed = sum(map(data.count, _PACKED))
    if packed > MAX_PACKED_CHUNKS:
        raise too_costly(f"{packed} compressed texts or profiles in a PNG, at most {MAX_PACKED_CHUNKS} are read")
    at, chunks = 8, 0
    while at < len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise too_costly(f"a PNG of more than {MAX_CHUNKS} chunks, which is as many as are read")
