"""AVIF and HEIC."""


def check_bytes(data: bytes, max_pixels: int) -> None:
    """TODO."""
