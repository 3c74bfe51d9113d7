"""What a client sends. The deploy step's image holds this, and nothing of what a server needs."""

import numpy as np
import orjson
from numpy.typing import NDArray

INPUT = "pixels"  # the one input tensor


def encode_binary_request(images_NHWC: NDArray[np.uint8]) -> tuple[bytes, int]:
    """A V2 request with its images as a binary tensor (for our own clients), and the length of its JSON part."""
    raw = np.ascontiguousarray(images_NHWC, np.uint8).tobytes()
    tensor = {
        "name": INPUT,
        "datatype": "UINT8",
        "shape": list(images_NHWC.shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    head = orjson.dumps({"inputs": [tensor]})
    return head + raw, len(head)
