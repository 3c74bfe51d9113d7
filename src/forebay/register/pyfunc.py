"""How MLflow loads a registered version: `mlflow.pyfunc.load_model` calls `_load_pyfunc` of this module.

Nothing is unpickled: the version's data is a bundle, JSON and safetensors.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from forebay.models import Classifier


class PyfuncClassifier:
    """A classifier behind MLflow's predict."""

    def __init__(self, classifier: "Classifier") -> None:
        self._classifier = classifier

    def predict(self, images_NHWC: "NDArray[np.uint8]", params: dict[str, Any] | None = None) -> "NDArray[np.float32]":
        """Probabilities, float32 (N, K), of uint8 images (N, H, W, C); `params` is MLflow's and has no use here."""
        return self._classifier.predict(images_NHWC)


def _load_pyfunc(data_path: str) -> PyfuncClassifier:
    """Load the bundle in a folder (MLflow's protocol, so the name is its own)."""
    from forebay.models import load_bundle

    return PyfuncClassifier(load_bundle(Path(data_path)))
