"""Sources that a test writes: their text with a few helpers before it, and the settings that name them."""

from forebay.user_code import encode_code

DRAWN = """
import io
import numpy as np
from PIL import Image
from forebay.ingest import Record

def drawn(number):
    return np.random.default_rng(number).integers(0, 256, (6, 5, 3), dtype=np.uint8)

def png(number):
    file = io.BytesIO()
    Image.fromarray(drawn(number)).save(file, "PNG")
    return file.getvalue()
"""


def own_source(text: str, options: str = "", name: str = "Shapes") -> dict[str, str]:
    """Settings that name a source of this text, as the command line fills them in."""
    return {"data": f"shapes.py:{name}{options}", "source_code": encode_code(DRAWN + text)}
