"""The data set of a run as MLflow shows it: an input with name, digest, source, shape and counts."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from forebay.contracts.manifest import SplitManifest
from forebay.state.mask import without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONTEXT_TAG = "mlflow.data.context"  # MLflow's own: what a run used the data for
MAX_DIGEST_CHARACTERS = 36  # MLflow refuses a longer digest
SHOWN_CLASSES = 100  # names; the profile stays readable


@dataclass(frozen=True, kw_only=True)
class DataInput:
    """A prepared data set, and what a run used it for."""

    data: SplitManifest
    context: Literal["training", "evaluation"] = "training"


def log_data(client: "MlflowClient", run_id: str, given: DataInput) -> None:
    """Log a data set as an input of a run; doing so twice changes nothing.

    MLflow knows a data set by name and digest and keeps what was first said of it. So what the digest of the rows
    decides stands in the profile, and the split, which may differ from run to run, in tags of the input.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = given.data
    source_type, source = _source(data)
    dataset = Dataset(
        name=data.name,
        digest=data.data_digest[:MAX_DIGEST_CHARACTERS],
        source_type=source_type,
        source=json.dumps(source),
        schema=_schema(data),
        profile=json.dumps(_profile(data)),
    )
    tags = {CONTEXT_TAG: given.context, "forebay.data_digest": data.data_digest, **_split_tags(data)}
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])])


def _source(data: SplitManifest) -> tuple[str, dict[str, str]]:
    """Type and address as MLflow's own sources have them; a source that MLflow does not know has its kind."""
    uri = without_passwords(data.source)
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return "http", {"url": uri}
    if scheme == "s3":
        return "s3", {"uri": uri}
    return ("local" if uri.startswith("/") else data.kind), {"uri": uri}


def _schema(data: SplitManifest) -> str:
    import numpy as np
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.types import Schema, TensorSpec

    pixels = TensorSpec(np.dtype(np.uint8), (-1, data.height, data.width, data.channels), "pixels")
    label = TensorSpec(np.dtype(np.int64), (-1,), "label")
    return json.dumps(TensorDatasetSchema(Schema([pixels]), Schema([label])).to_dict())


def _profile(data: SplitManifest) -> dict[str, Any]:
    return {
        "num_rows": data.rows,
        "num_elements": data.rows * data.height * data.width * data.channels,
        "num_classes": len(data.classes),
        "classes": data.classes[:SHOWN_CLASSES],
        "quarantined": data.quarantined,
    }


def _split_tags(data: SplitManifest) -> dict[str, str]:
    return {
        "forebay.split_digest": data.digest,
        "forebay.split_kind": data.split_kind,
        **{f"forebay.rows_{split}": str(rows) for split, rows in data.splits.items()},
    }
