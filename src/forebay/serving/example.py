"""One real image per served model, kept so that people have something to send."""

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.state import Home, write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INLINE_PIXELS = 256  # an image up to this size is sent as numbers in the command itself


def request_path(home: Home, name: str) -> Path:
    """A V1 request for a model, as a file that `curl --data @FILE` sends."""
    return home.serving / "examples" / f"{name}.json"


def image_path(home: Home, name: str) -> Path:
    """The same image as PNG, for `forebay predict`."""
    return request_path(home, name).with_suffix(".png")


def write_example(home: Home, name: str, image_HWC: "NDArray[np.uint8]") -> None:
    """Keep an image (uint8, H x W x C) as the model's example."""
    png = _png(image_HWC)
    write_bytes(image_path(home, name), png)
    write_bytes(request_path(home, name), json.dumps(example_request(image_HWC, png), separators=(",", ":")).encode())


def example_request(image_HWC: "NDArray[np.uint8]", png: bytes) -> dict[str, Any]:
    """A V1 request: as numbers when the image is tiny, else as PNG."""
    height, width, channels = image_HWC.shape
    if height * width * channels > INLINE_PIXELS:
        return {"instances": [{"b64": base64.b64encode(png).decode()}]}
    return {"instances": [(image_HWC[:, :, 0] if channels == 1 else image_HWC).tolist()]}


def _png(image_HWC: "NDArray[np.uint8]") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC).save(file, "PNG")
    return file.getvalue()
