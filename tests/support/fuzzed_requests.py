"""Slightly broken requests from a seed, as bytes; a server should answer each of them."""

import base64
import gzip
import io
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from forebay.serving.protocol.client_request import encode_binary_request

PATHS = (
    *("/v1/models/grey:predict", "/v2/models/grey/infer") * 4,
    "/v2/models/grey/versions/7/infer",
    "/v2/models/colour/infer",
    "/v2/repository/index",
    "/v2/repository/models/grey/load",
    "/v2/health/live",
    "/v2/models/grey",
    "/metrics",
    "/",
    "/%00",
    "/v1/models/%ff:predict",
    "/v2/models/../infer?a=%zz",
    "*",
)
METHODS = (*("POST",) * 16, "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "post", "BREW")
MEDIA = (
    *("application/json",) * 4,
    "application/octet-stream",
    "image/png",
    "image/jpeg",
    "text/plain",
    "multipart/form-data; x",
    "",
)
ENCODINGS = (*("",) * 12, "gzip", "gzip", "deflate", "identity", "br", "gzip, gzip")
VALUES = (
    "0",
    "-1",
    "1e400",
    "NaN",
    "a" * 5000,
    "\x01",
    "é",
    "close",
    "keep-alive",
    "chunked",
    "100-continue",
    "http://evil",
)
NAMES = ("Host", "Origin", "Connection", "Expect", "Upgrade", "Transfer-Encoding", "Content-Length", "X-" + "y" * 300,
         "Inference-Header-Content-Length", "Content-Type", "Accept", "Cookie", "bad name", "")  # fmt: skip


def requests(seed: int, count: int) -> Iterator[bytes]:
    """`count` requests, the same ones for the same seed."""
    for number in range(count):
        yield _request(random.Random(f"{seed}-{number}"))


def _request(rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return _valid(rng)
    body = _pick(rng, (_json, _json, _binary, _image, _random_bytes))(rng)
    for _ in range(rng.choice((0, 0, 0, 0, 1, 3, 20))):
        body = _damaged(rng, body)
    encoding = rng.choice(ENCODINGS)
    if encoding and rng.random() < 0.8:
        body = gzip.compress(body) if "gzip" in encoding else zlib.compress(body)
        body = _damaged(rng, body) if rng.random() < 0.3 else body
    head, framed = _framed(rng, body, encoding)
    whole = head + framed
    if rng.random() < 0.1:
        whole = _damaged(rng, whole)
    return whole * rng.choice((1, 1, 1, 1, 2)) or b"\r\n"


def _valid(rng: random.Random) -> bytes:
    """A valid request, or one with one byte changed."""
    body = json.dumps({"instances": [[[rng.randrange(256)] * 8] * 8] * rng.choice((1, 1, 20, 900))}).encode()
    head = f"POST /v1/models/grey:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    whole = head.encode() + body
    if rng.random() < 0.3:
        place = rng.randrange(len(whole))
        whole = whole[:place] + bytes([rng.randrange(256)]) + whole[place + 1 :]
    return whole


def _framed(rng: random.Random, body: bytes, encoding: str) -> tuple[bytes, bytes]:
    lines = [f"{rng.choice(METHODS)} {rng.choice(PATHS)} HTTP/1.{rng.choice('1111110')}", "Host: localhost"]
    lines.append(f"Content-Type: {rng.choice(MEDIA)}")
    lines += [f"Content-Encoding: {encoding}"] if encoding else []
    lines += [f"{rng.choice(NAMES)}: {rng.choice(VALUES)}" for _ in range(rng.choice((0, 0, 0, 1, 2, 120)))]
    if body[:1] == b"{" and b"}" in body and rng.random() < 0.5:
        lines.append(f"Inference-Header-Content-Length: {rng.choice((body.find(b'}]}') + 3, 0, len(body), 10**9))}")
    if rng.random() < 0.2:
        lines.append("Transfer-Encoding: chunked")
        body = _chunks(rng, body)
    else:
        lines.append(f"Content-Length: {rng.choice((len(body),) * 12 + (len(body) + 5, 0, -1, 10**12))}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8"), body


def _chunks(rng: random.Random, body: bytes) -> bytes:
    size = rng.choice((1, 7, 1000, 65536))
    parts = [body[start : start + size] for start in range(0, min(len(body), size * 500), size)]
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(part), rng.choice((b"", b";a=b")), part) for part in parts)
    return framed + rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"zz\r\n"))


def _pick(rng: random.Random, makers: tuple[Callable[[random.Random], bytes], ...]) -> Callable[[random.Random], bytes]:
    return rng.choice(makers)


def _json(rng: random.Random) -> bytes:
    value = {"instances": rng.choice(([[[1] * 8] * 8], [[[rng.random() * 300] * 8] * 8] * 3, _anything(rng, 4)))}
    tensor = {"name": "pixels", "datatype": rng.choice(("UINT8", "FP32", "BYTES", 3)), "shape": [1, 8, 8, 1]}
    v2 = {"inputs": [tensor | {"data": [rng.randrange(256)] * 64}], "outputs": _anything(rng, 2)}
    chosen: Any = rng.choice((value, v2, {"inputs": [tensor]}, _anything(rng, 5)))
    return json.dumps(chosen, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _anything(rng: random.Random, depth: int) -> Any:
    if depth and rng.random() < 0.6:
        inner = [_anything(rng, depth - 1) for _ in range(rng.randrange(4))]
        names = ("b64", "instances", "inputs", "name", "shape", "parameters", "é")
        return inner if rng.random() < 0.5 else {rng.choice(names): value for value in inner}
    return rng.choice((None, True, -1, 1 << 70, 1.5, float("nan"), "", "\ud800", "x" * 200, [[]] * 50, "QUJD"))


def _binary(rng: random.Random) -> bytes:
    count = rng.choice((1, 1, 5, 300))
    body, _ = encode_binary_request(np.full((count, 8, 8, 1), rng.randrange(256), np.uint8))
    return body


def _image(rng: random.Random) -> bytes:
    file = io.BytesIO()
    pixels = np.full((rng.randrange(1, 40), rng.randrange(1, 40), 3), rng.randrange(256), np.uint8)
    Image.fromarray(pixels).save(file, rng.choice(("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")))
    if rng.random() < 0.5:
        return file.getvalue()
    text = base64.b64encode(_damaged(rng, file.getvalue())).decode()
    return json.dumps({"instances": [{"b64": text}] * rng.choice((1, 3))}).encode()


def _random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 10, 5000, 200_000)))


def _damaged(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    place = rng.randrange(len(data))
    how = rng.randrange(4)
    if how == 0:
        return data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    if how == 1:
        return data[:place]
    if how == 2:
        return data[:place] + rng.randbytes(rng.randrange(20)) + data[place:]
    return data[:place] + data[place // 2 :]
