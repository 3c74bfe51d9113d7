"""A program that asks a server with tritonclient.grpc and prints what it got as JSON.

A process of its own: tritonclient and the KServe SDK describe the same messages, and protobuf takes only one of them.
"""

import json
import sys

import numpy as np
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException


def main(address: str, pixels: str) -> None:
    """Ask for everything once."""
    client = triton.InferenceServerClient(address)
    images = np.array(json.loads(pixels), np.uint8)
    tensor = triton.InferInput("pixels", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    top = triton.InferRequestedOutput("probabilities", class_count=3)
    answer = client.infer("grey", [tensor], model_version="7", request_id="mine", sequence_id=3, sequence_start=True)
    metadata = client.get_model_metadata("grey", as_json=True)
    try:
        client.infer("nobody", [tensor])
    except InferenceServerException as error:
        refusal = [error.status(), error.message()]
    print(json.dumps({
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready("grey", "7"),
        "server": client.get_server_metadata(as_json=True)["extensions"],
        "inputs": metadata["inputs"],
        "versions": metadata["versions"],
        "probabilities": answer.as_numpy("probabilities").tolist(),
        "names": [name.decode() for name in answer.as_numpy("label_name")],
        "id": answer.get_response().id,
        "top": [word.decode() for word in client.infer("grey", [tensor], outputs=[top]).as_numpy("probabilities")[0]],
        "refusal": refusal,
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
