"""`python -m benchmarks.serving_process SERVER FD_OR_PORT MODEL HEIGHT WIDTH CHANNELS`: one of the compared servers.

All of them answer with the same model. The null model costs next to nothing, so that the server itself is measured.
"""

import argparse
import socket
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "bench"
NULL = "null"
CLASSES = 10

Shape = tuple[int, int, int]  # height, width, channels
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def model(name: str, shape: Shape) -> Predict:
    """From images, uint8 (N, H, W, C), to probabilities; a network with random weights, the same in every process."""
    if name == NULL:
        return null_probabilities
    classifier = _classifier(name, shape)
    return lambda images_NHWC: classifier.predict(images_NHWC)  # type: ignore[no-any-return]


def null_probabilities(images_NHWC: NDArray[Any]) -> NDArray[np.float32]:
    """Class (first + last pixel) mod 10 with probability 1: wrong unless every image arrived whole and in order."""
    flat = images_NHWC.reshape(len(images_NHWC), -1)
    winners = (flat[:, 0].astype(int) + flat[:, -1].astype(int)) % CLASSES
    return np.eye(CLASSES, dtype=np.float32)[winners]


def _classifier(name: str, shape: Shape) -> Any:
    import torch

    from forebay.contracts.bundles.spec import ModelSpec
    from forebay.models import build
    from forebay.models.classifier import Classifier, NetworkClassifier

    torch.set_num_threads(1)  # for every server alike: more would only contend for the cores, and cost CPU time
    height, width, channels = shape
    spec = ModelSpec(
        architecture="mlp" if name == NULL else name, options={}, classes=[str(index) for index in range(CLASSES)],
        height=height, width=width, channels=channels, mean=[0.5] * channels, std=[0.25] * channels, weights_sha256="",
    )  # fmt: skip
    if name == NULL:

        class NullClassifier(Classifier):
            def _predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
                return null_probabilities(images_NHWC)

        return NullClassifier(spec)
    torch.manual_seed(0)
    return NetworkClassifier(spec, build(name, {}, channels, height, width, CLASSES, library=spec.library))


def serve_forebay(descriptor: int, name: str, shape: Shape) -> None:
    """Forebay's server on that model."""
    from forebay.serving.admission.control import AdmissionControl
    from forebay.serving.http.access import AccessPolicy
    from forebay.serving.repository.model_manager import ModelManager
    from forebay.serving.repository.served_model import ServedModel
    from forebay.serving.repository.verify_predictions import verify_predictions
    from forebay.serving.server.process import configure_process
    from forebay.serving.server.serve import run
    from forebay.serving.state import DesiredModel
    from forebay.settings.serve import ServeConfig

    classifier = _classifier(name, shape)
    verify_predictions(classifier, name)
    models = ModelManager()
    models.serve(ServedModel(NAME, DesiredModel(bundle="", version="1", weights_sha256=""), classifier))
    configure_process()
    run(models, socket.socket(fileno=descriptor), AccessPolicy(ServeConfig(), loopback=True), AdmissionControl())


def serve_uvicorn(descriptor: int, name: str, shape: Shape) -> None:
    """The least that decodes the same requests: no checks, limits, metrics, threads or versions."""
    import orjson
    import uvicorn

    predict = model(name, shape)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await _whole_body(receive)
        answer = b"{}" if scope["method"] == "GET" else orjson.dumps(_answer(scope, body, predict))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(app, fd=descriptor, log_level="error", access_log=False, lifespan="off")


async def _whole_body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _answer(scope: Any, body: bytes, predict: Predict) -> dict[str, Any]:
    import orjson

    length = dict(scope["headers"]).get(b"inference-header-content-length")
    if length is None:
        images = np.array(orjson.loads(body)["instances"], np.uint8)
        rows = predict(images)
        return {"predictions": [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in rows]}
    document = orjson.loads(body[: int(length)])
    rows = predict(np.frombuffer(body, np.uint8, offset=int(length)).reshape(document["inputs"][0]["shape"]))
    output = {"name": "probabilities", "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    return {"model_name": NAME, "model_version": "1", "id": "1", "outputs": [output]}


def serve_sdk(port: int, name: str, shape: Shape) -> None:
    """The stock KServe SDK server, with a model written as in its documentation."""
    from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

    predict = model(name, shape)

    class StockModel(Model):
        def predict(self, payload: Any, headers: Any = None) -> Any:
            if not isinstance(payload, InferRequest):
                rows = predict(np.array(payload["instances"], np.uint8))
                return {"predictions": [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in rows]}
            rows = predict(payload.inputs[0].as_numpy())
            output = InferOutput("probabilities", list(rows.shape), "FP32")
            output.set_data_from_numpy(rows, binary_data=False)
            return InferResponse(payload.id or "1", NAME, [output])

    stock = StockModel(NAME)
    stock.load()
    ModelServer(http_port=port, enable_grpc=False).start([stock])


def main() -> None:
    """Serve until killed."""
    servers = {"forebay": serve_forebay, "uvicorn": serve_uvicorn, "sdk": serve_sdk}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=tuple(servers))
    parser.add_argument("descriptor_or_port", type=int, help="a port for the SDK, else a listening descriptor")
    parser.add_argument("model", help=f"{NULL}, or an architecture")
    parser.add_argument("shape", type=int, nargs=3)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # the SDK parses it on import
    servers[options.server](options.descriptor_or_port, options.model, tuple(options.shape))


if __name__ == "__main__":
    main()
