"""PNG: Pillow reads its chunks in Python, and decompresses some of them."""

from forebay.images.errors import too_costly
from forebay.images.limits import MAX_CHUNKS, MAX_COMPRESSED_CHUNKS

MAGIC = b"\x89PNG"
_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")


def check_bytes(data: bytes) -> None:
    """Refuse a file with very many chunks, or with many compressed ones beside the image."""
    compressed = sum(map(data.count, _COMPRESSED))
    if compressed > MAX_COMPRESSED_CHUNKS:
        raise too_costly(
            f"{compressed} compressed texts or profiles in a PNG, at most {MAX_COMPRESSED_CHUNKS} are read"
        )
    at, chunks = 8, 0
    while at < len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise too_costly(f"a PNG of more than {MAX_CHUNKS} chunks, which is as many as are read")
