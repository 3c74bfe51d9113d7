"""The V2 request of our own client. The deploy step imports it, so it needs nothing that only a server has."""

import numpy as np
import orjson
from numpy.typing import NDArray

from forebay.serving.protocol.names import INPUT
from forebay.serving.protocol.parameters import BINARY_SIZE


def encode_binary_request(images_NHWC: NDArray[np.uint8]) -> tuple[bytes, int]:
    """A V2 request with the images as a binary tensor, and the length of its JSON part."""
    raw = np.ascontiguousarray(images_NHWC, np.uint8).tobytes()
    tensor = {
        "name": INPUT,
        "datatype": "UINT8",
        "shape": list(images_NHWC.shape),
        "parameters": {BINARY_SIZE: len(raw)},
    }
    head = orjson.dumps({"inputs": [tensor]})
    return head + raw, len(head)
