"""A small client of the server, for `forebay predict` and for the deploy step's smoke test."""

import base64
import http.client
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from forebay.errors import ConfigError, ForebayError
from forebay.serving.protocol.names import INPUT, JSON, JSON_LENGTH_HEADER, LABEL_NAME, OCTET_STREAM, PROBABILITIES
from forebay.serving.protocol.parameters import CLASSIFICATION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TIMEOUT_S = 60.0


class PredictionFailedError(ForebayError):
    """The server answered with an error, or with something that is not a prediction."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model predicted for several images."""

    version: str
    label_names: list[str]
    probabilities: "NDArray[np.float64]"  # (N, K)


def predict_url(server_url: str, name: str) -> str:
    """The URL at which a served model predicts over V1."""
    return f"{server_url.rstrip('/')}/v1/models/{quote(name, safe='')}:predict"


def predict(server_url: str, name: str, image: bytes, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Ask what an image file shows; PNG or JPEG, of any size.

    Returns:
        label, label_name, probabilities and model_version.

    Raises:
        ConfigError: nothing answers at the URL.
        PredictionFailedError: the server answered with an error, whose message this one repeats.
    """
    return predict_files(server_url, name, [image], timeout_s)[0]


def predict_files(
    server_url: str, name: str, images: Sequence[bytes], timeout_s: float = TIMEOUT_S
) -> list[dict[str, Any]]:
    """As `predict`, for several image files in one request."""
    return _predictions(server_url, name, [{"b64": base64.b64encode(image).decode()} for image in images], timeout_s)


def class_names(server_url: str, name: str, timeout_s: float = TIMEOUT_S) -> list[str]:
    """The names of a served model's classes, in the order of its probabilities; raises like `predict`.

    A black image is classified for it: V2's metadata has no place for names, its classification of an image has.
    """
    path = f"/v2/models/{quote(name, safe='')}"
    metadata = _request("GET", server_url, path, None, {}, timeout_s)
    try:
        shape = [1, *metadata["inputs"][0]["shape"][1:]]
        output = next(each for each in metadata["outputs"] if each["name"] == PROBABILITIES)
        wanted = {"name": PROBABILITIES, "parameters": {CLASSIFICATION: output["shape"][-1]}}
        pixels = {"name": INPUT, "datatype": "UINT8", "shape": shape, "data": [0] * math.prod(shape)}
        body = json.dumps({"inputs": [pixels], "outputs": [wanted]}).encode()
        reply = _post(server_url, f"{path}/infer", body, {"Content-Type": JSON}, timeout_s)
        numbered = (text.split(":", 2)[1:] for text in reply["outputs"][0]["data"])
        return [label for _, label in sorted((int(number), label) for number, label in numbered)]
    except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise _not_a_prediction(server_url, path) from error


def predict_arrays(server_url: str, name: str, images_NHWC: "NDArray[np.uint8]", timeout_s: float) -> Predictions:
    """Send images as V1 JSON arrays; raises like `predict`."""
    import numpy as np

    rows = _predictions(server_url, name, images_NHWC.tolist(), timeout_s)
    return Predictions(
        version=rows[0]["model_version"],
        label_names=[row[LABEL_NAME] for row in rows],
        probabilities=np.array([row[PROBABILITIES] for row in rows]),
    )


def infer(server_url: str, name: str, images_NHWC: "NDArray[np.uint8]", timeout_s: float) -> Predictions:
    """Send images as a V2 binary tensor; raises like `predict`."""
    import numpy as np

    from forebay.serving.protocol.client_request import encode_binary_request

    body, json_length = encode_binary_request(images_NHWC)
    headers = {"Content-Type": OCTET_STREAM, JSON_LENGTH_HEADER: str(json_length)}
    reply = _post(server_url, f"/v2/models/{quote(name, safe='')}/infer", body, headers, timeout_s)
    try:
        outputs = {output["name"]: output for output in reply["outputs"]}
        probabilities = outputs[PROBABILITIES]
        return Predictions(
            version=reply["model_version"],
            label_names=outputs[LABEL_NAME]["data"],
            probabilities=np.array(probabilities["data"]).reshape(probabilities["shape"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _not_a_prediction(server_url, f"/v2/models/{name}/infer") from error


def _predictions(server_url: str, name: str, instances: list[Any], timeout_s: float) -> list[Any]:
    body = json.dumps({"instances": instances}).encode()
    path = f"/v1/models/{quote(name, safe='')}:predict"
    reply = _post(server_url, path, body, {"Content-Type": JSON}, timeout_s)
    predictions = reply.get("predictions")
    if (
        not isinstance(predictions, list)
        or len(predictions) != len(instances)
        or not all(map(_is_prediction, predictions))
    ):
        raise _not_a_prediction(server_url, path)
    return predictions


def _is_prediction(prediction: Any) -> bool:
    return isinstance(prediction, dict) and {LABEL_NAME, PROBABILITIES, "model_version"} <= prediction.keys()


def _not_a_prediction(server_url: str, path: str) -> PredictionFailedError:
    return PredictionFailedError(
        f"{server_url}{path} did not answer with a prediction of Forebay. Another server listens there; "
        "`forebay status` shows where Forebay's is."
    )


def _post(server_url: str, path: str, body: bytes, headers: dict[str, str], timeout_s: float) -> dict[str, Any]:
    return _request("POST", server_url, path, body, headers, timeout_s)


def _request(
    method: str, server_url: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float
) -> dict[str, Any]:
    connection, prefix = _connection(server_url, timeout_s)
    try:
        connection.request(method, prefix + path, body, headers)
        response = connection.getresponse()
        status, answer = response.status, response.read()
    except (UnicodeError, http.client.InvalidURL) as error:
        raise _invalid_url(server_url) from error
    except (OSError, http.client.HTTPException) as error:
        raise ConfigError(
            f"Nothing answers at {server_url}: {error or type(error).__name__}. `forebay status` shows where the "
            "server is, `forebay serve` starts one."
        ) from error
    finally:
        connection.close()
    return _parse_response(f"{server_url}{path}", status, answer)


def _connection(server_url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and the prefix of every path."""
    try:
        parts = urlsplit(server_url)
        port = parts.port
    except ValueError as error:
        raise _invalid_url(server_url) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid_url(server_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, port, timeout=timeout_s), parts.path.rstrip("/")  # urllib would go through a proxy


def _invalid_url(server_url: str) -> ConfigError:
    return ConfigError(f"{server_url!r} is not the address of a server. Write it like http://127.0.0.1:8090.")


def _parse_response(url: str, status: int, answer: bytes) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except ValueError:
        value = None
    if status != 200 or not isinstance(value, dict):
        text = value.get("error") if isinstance(value, dict) else answer[:200].decode(errors="replace")
        raise PredictionFailedError(f"{url} answered {status}: {text}")
    return value
