"""One real image per served model, kept as an example that people can send."""

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.state import Home, write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_INLINE_PIXELS = 256  # a larger image is sent as a file, not as numbers in the command itself


def example_request_path(home: Home, name: str) -> Path:
    """The file with a V1 request for a model; `curl --data @FILE` sends it."""
    return home.serving / "examples" / f"{name}.json"


def example_image_path(home: Home, name: str) -> Path:
    """The file with the same image as PNG, for `forebay predict`."""
    return example_request_path(home, name).with_suffix(".png")


def write_example(home: Home, name: str, image_HWC: "NDArray[np.uint8]") -> None:
    """Keep an image (uint8, H x W x C) as the model's example."""
    png = encode_png(image_HWC)
    write_bytes(example_image_path(home, name), png)
    write_bytes(
        example_request_path(home, name), json.dumps(example_request(image_HWC, png), separators=(",", ":")).encode()
    )


def example_request(image_HWC: "NDArray[np.uint8]", png: bytes) -> dict[str, Any]:
    """A V1 request for an image: as numbers when the image is tiny, else as PNG."""
    height, width, channels = image_HWC.shape
    if height * width * channels > MAX_INLINE_PIXELS:
        return {"instances": [{"b64": base64.b64encode(png).decode()}]}
    return {"instances": [(image_HWC[:, :, 0] if channels == 1 else image_HWC).tolist()]}


def encode_png(image_HWC: "NDArray[np.uint8]") -> bytes:
    """An image (uint8, H x W x C with 1 or 3 channels) as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC).save(file, "PNG")
    return file.getvalue()
