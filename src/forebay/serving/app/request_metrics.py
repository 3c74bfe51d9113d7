"""Prometheus metrics of the inference paths; `/metrics` exports them beside the KServe SDK's own."""

from prometheus_client import Counter, Histogram

UNKNOWN_MODEL = "-"  # stands for every unknown name, which must not become a label, or anyone could grow the table

_REQUESTS = Counter(
    "forebay_requests", "Inference requests by model, protocol and HTTP status", ["model_name", "protocol", "code"]
)
_SECONDS = Histogram(
    "forebay_request_seconds", "From the first byte of an inference request to its answer", ["model_name", "protocol"]
)
_UNLIKE = Counter("forebay_unlike_images", "Images that were answered with a warning", ["model_name"])


def count_request(model: str, protocol: str, code: int, seconds: float) -> None:
    """Count one inference request that was answered."""
    _REQUESTS.labels(model, protocol, code).inc()
    _SECONDS.labels(model, protocol).observe(seconds)


def count_unlike_images(model: str, images: int) -> None:
    """Count images that are unlike those of the training."""
    _UNLIKE.labels(model).inc(images)
