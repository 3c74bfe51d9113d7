"""Prometheus metrics of the models that are served, and of the requests for them."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from forebay.contracts.bundles.spec import ModelSpec
from forebay.serving.metrics import REGISTRY

UNKNOWN_MODEL = "-"  # stands for every unknown name, which must not become a label, or anyone could grow the table

_MODEL = Gauge(
    "forebay_model_info",
    "1 for each model that is served, with what it was made from",
    ["model_name", "version", "weights_sha256", "data_digest", "code_version"],
    registry=REGISTRY,
)
_REQUESTS = Counter(
    "forebay_requests",
    "Inference requests by model, protocol and HTTP status",
    ["model_name", "protocol", "code"],
    registry=REGISTRY,
)
_SECONDS = Histogram(
    "forebay_request_seconds",
    "From the first byte of an inference request to its answer",
    ["model_name", "version", "engine", "protocol"],
    registry=REGISTRY,
)
_UNLIKE = Counter(
    "forebay_unlike_images", "Images that were answered with a warning", ["model_name"], registry=REGISTRY
)
# These three have the names that the KServe SDK's server gives them, so that dashboards for it work.
_PREPROCESS = Histogram("request_preprocess_seconds", "pre-process request latency", ["model_name"], registry=REGISTRY)
_PREDICT = Histogram("request_predict_seconds", "predict request latency", ["model_name"], registry=REGISTRY)
_POSTPROCESS = Histogram(
    "request_postprocess_seconds", "post-process request latency", ["model_name"], registry=REGISTRY
)


class ModelMetrics:
    """The metrics of one model. They are looked up once: that costs more than to count."""

    def __init__(self, name: str, version: str = UNKNOWN_MODEL, engine: str = UNKNOWN_MODEL) -> None:
        self._name, self._version, self._engine = name, version, engine
        self._requests: dict[tuple[str, int], Counter] = {}
        self._seconds: dict[str, Histogram] = {}
        self._unlike = _UNLIKE.labels(name)
        self._preprocess, self._predict, self._postprocess = (
            histogram.labels(name) for histogram in (_PREPROCESS, _PREDICT, _POSTPROCESS)
        )

    def count_request(self, protocol: str, code: int, seconds: float) -> None:
        """Count one inference request that was answered."""
        key = protocol, code
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = _REQUESTS.labels(self._name, protocol, code)
        counter.inc()
        histogram = self._seconds.get(protocol)
        if histogram is None:
            histogram = self._seconds[protocol] = _SECONDS.labels(self._name, self._version, self._engine, protocol)
        histogram.observe(seconds)

    def time_stages(self, preprocess_s: float, predict_s: float, postprocess_s: float) -> None:
        """Note how long the three stages of one answer took."""
        self._preprocess.observe(preprocess_s)
        self._predict.observe(predict_s)
        self._postprocess.observe(postprocess_s)

    def count_unlike_images(self, images: int) -> None:
        """Count images that are unlike those of the training."""
        self._unlike.inc(images)


def export_models(models: Iterable[tuple[str, str, ModelSpec]]) -> None:
    """Replace the exported models: the name, version and spec of each."""
    _MODEL.clear()
    for name, version, spec in models:
        digest, code = spec.data.get("digest", ""), spec.lineage.get("code_version", "")
        _MODEL.labels(name, version, spec.weights_sha256, digest, code).set(1)
