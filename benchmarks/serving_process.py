"""`python -m benchmarks.serving_process SERVER FD_OR_PORT HEIGHT WIDTH CHANNELS`: one of the servers that are compared.

Both answer with the same model, which costs next to nothing, so the server itself is measured.
"""

import argparse
import socket
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "bench"
CLASSES = 10


def probabilities(images_NHWC: NDArray[Any]) -> NDArray[np.float32]:
    """Class (first + last pixel) mod 10 with probability 1: wrong unless every image arrived whole and in order."""
    flat = images_NHWC.reshape(len(images_NHWC), -1)
    winners = (flat[:, 0].astype(int) + flat[:, -1].astype(int)) % CLASSES
    return np.eye(CLASSES, dtype=np.float32)[winners]


def serve_forebay(descriptor: int, shape: tuple[int, int, int]) -> None:
    """Forebay's server on that model."""
    from forebay.serving.admission.control import AdmissionControl
    from forebay.serving.http.access import AccessPolicy
    from forebay.serving.repository.model_manager import ModelManager
    from forebay.serving.repository.served_model import ServedModel
    from forebay.serving.server.process import configure_process
    from forebay.serving.server.serve import run
    from forebay.serving.state import DesiredModel
    from forebay.settings.serve import ServeConfig

    height, width, channels = shape
    spec = SimpleNamespace(
        height=height,
        width=width,
        channels=channels,
        classes=[str(index) for index in range(CLASSES)],
        fit="crop",
        bits=8,
    )
    classifier: Any = SimpleNamespace(spec=spec, predict=probabilities, image_s=1e-5)
    models = ModelManager()
    models.serve(ServedModel(NAME, DesiredModel(bundle="", version="1", weights_sha256=""), classifier))
    configure_process()
    run(models, socket.socket(fileno=descriptor), AccessPolicy(ServeConfig(), loopback=True), AdmissionControl())


def serve_sdk(port: int) -> None:
    """The stock KServe SDK server, with a model written as in its documentation."""
    from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

    class StockModel(Model):
        def predict(self, payload: Any, headers: Any = None) -> Any:
            if not isinstance(payload, InferRequest):
                rows = probabilities(np.array(payload["instances"], np.uint8))
                return {"predictions": [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in rows]}
            rows = probabilities(payload.inputs[0].as_numpy())
            output = InferOutput("probabilities", list(rows.shape), "FP32")
            output.set_data_from_numpy(rows, binary_data=False)
            return InferResponse(payload.id or "1", NAME, [output])

    model = StockModel(NAME)
    model.load()
    ModelServer(http_port=port, enable_grpc=False).start([model])


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=("forebay", "sdk"))
    parser.add_argument("descriptor_or_port", type=int, help="a listening descriptor for forebay, a port for the SDK")
    parser.add_argument("shape", type=int, nargs=3)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # the SDK parses it on import
    if options.server == "forebay":
        serve_forebay(options.descriptor_or_port, tuple(options.shape))
    else:
        serve_sdk(options.descriptor_or_port)


if __name__ == "__main__":
    main()
