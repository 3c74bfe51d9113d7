"""The settings that prepare images and hold out rows as a model's training did."""

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.holdout import HASH
from forebay.settings.keys import Scalar


def prepared_like(spec: ModelSpec) -> dict[str, Scalar]:
    """The settings of ingest and preprocess, by key, that a model's own record tells."""
    data = spec.data
    own: dict[str, Scalar] = {
        "ingest.size": f"{spec.height}x{spec.width}",
        "ingest.channels": str(spec.channels),
        "ingest.fit": spec.fit,
        "ingest.bits": str(spec.bits),
    }
    own |= {f"preprocess.{key}": float(data[key]) for key in ("holdout", "validation") if key in data}
    if data.get("split_kind") == HASH:  # else auto, which takes the split of the source where it has one
        own["preprocess.split"] = HASH
    return own
