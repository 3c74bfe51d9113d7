"""Prometheus metrics of the inference paths; the KServe SDK's `/metrics` shows them beside its own."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from forebay.contracts.bundles.spec import ModelSpec

UNKNOWN = "-"  # a model that nobody serves; its name must not become a label, or anyone could grow the table

_REQUESTS = Counter(
    "forebay_requests", "Inference requests by model, protocol and HTTP status", ["model_name", "protocol", "code"]
)
_SECONDS = Histogram(
    "forebay_request_seconds", "From the first byte of an inference request to its answer", ["model_name", "protocol"]
)
_MODEL = Gauge(
    "forebay_model_info",
    "1 for each model that is served, with what it was made from",
    ["model_name", "version", "weights_sha256", "data_digest", "code_version"],
)


def count_request(model: str, protocol: str, code: int, seconds: float) -> None:
    """Record one answered inference request."""
    _REQUESTS.labels(model, protocol, code).inc()
    _SECONDS.labels(model, protocol).observe(seconds)


def show_models(models: Iterable[tuple[str, str, ModelSpec]]) -> None:
    """Replace the table of served models: name, version and spec of each."""
    _MODEL.clear()
    for name, version, spec in models:
        digest, code = spec.data.get("digest", ""), spec.lineage.get("code_version", "")
        _MODEL.labels(name, version, spec.weights_sha256, digest, code).set(1)
