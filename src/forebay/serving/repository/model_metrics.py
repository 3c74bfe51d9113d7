"""The Prometheus metric of the models that are served."""

from collections.abc import Iterable

from prometheus_client import Gauge

from forebay.contracts.bundles.spec import ModelSpec

_MODEL = Gauge(
    "forebay_model_info",
    "1 for each model that is served, with what it was made from",
    ["model_name", "version", "weights_sha256", "data_digest", "code_version"],
)


def export_models(models: Iterable[tuple[str, str, ModelSpec]]) -> None:
    """Replace the exported models: the name, version and spec of each."""
    _MODEL.clear()
    for name, version, spec in models:
        digest, code = spec.data.get("digest", ""), spec.lineage.get("code_version", "")
        _MODEL.labels(name, version, spec.weights_sha256, digest, code).set(1)
