"""The paths of the server, and which model a path is about."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from forebay.serving.app.openapi import GET_PATHS

ROOT = "/"  # for browsers the page, for others whether the server lives
DOCS = "/docs"
ASSETS = "/page/assets/"  # and the file's name
PAGE_MODELS = "/page/models"
METRICS = "/metrics"
OPENAPI = "/openapi.json"
REPOSITORY = "/v2/repository/"
INDEX = "/v2/repository/index"
PREDICT = "POST /v1/models/NAME:predict or /v2/models/NAME/infer"
PATHS = f"{PREDICT}; GET /v2/models/NAME, /v2/health/ready or /metrics"

_INFERENCE = re.compile(
    r"/(?P<protocol>v1)/models/(?P<v1>[^/]+):predict|"
    r"/(?P<v2>v2)/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer"
)
_METADATA = re.compile(
    r"/v1/models/(?P<v1>[^/]+)|/v2/models/(?P<v2>[^/]+)(?:/versions/(?P<version>[^/]+))?(?P<ready>/ready)?"
)
_REPORT = re.compile(r"/page/models/(?P<name>[^/]+)/report")
_GET = re.compile("|".join(re.sub(r"\{\w+\}", "[^/:]+", path).replace(".", r"\.") for path in GET_PATHS))


@dataclass(frozen=True)
class InferenceTarget:
    """The model that a request is about."""

    protocol: str  # v1 or v2
    name: str
    version: str | None = None


def inference_target(path: str) -> InferenceTarget | None:
    """The model that should predict; None where the path is not one of inference."""
    match = _INFERENCE.fullmatch(path)
    if match is None:
        return None
    if match["protocol"]:
        return InferenceTarget("v1", match["v1"])
    return InferenceTarget("v2", match["name"], match["version"])


def metadata_target(path: str) -> tuple[InferenceTarget, bool] | None:
    """The model that is asked for, and whether only its readiness is; None for other paths."""
    match = _METADATA.fullmatch(path)
    if match is None:
        return None
    if match["v1"]:
        return InferenceTarget("v1", match["v1"]), True
    return InferenceTarget("v2", match["v2"], match["version"]), match["ready"] is not None


def report_path(name: str) -> str:
    """The path of the report of a served model, to follow in a browser."""
    return f"{PAGE_MODELS}/{quote(name, safe='')}/report"


def report_target(path: str) -> str | None:
    """The model whose report is asked for; None for other paths."""
    found = _REPORT.fullmatch(path)
    return None if found is None else found["name"]


def is_get_path(path: str) -> bool:
    """Whether the path answers GET and HEAD, and nothing else."""
    return _GET.fullmatch(path) is not None
