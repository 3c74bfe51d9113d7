"""A classifier under the name and version by which it is served."""

from typing import Any

from forebay.models import Classifier
from forebay.models.classifier import GraphClassifier
from forebay.serving.protocol.names import INPUT, OUTPUTS
from forebay.serving.protocol.unlike_images import UnlikeImages
from forebay.serving.repository.model_metrics import ModelMetrics
from forebay.serving.state import DesiredModel

Tensors = list[dict[str, Any]]  # of V2 metadata
LOOP_S = 250e-6  # a prediction up to this long is made in the event loop: handing it to a thread costs as much


class ServedModel:
    """A model that answers. A request keeps the one that it began with."""

    def __init__(self, name: str, desired: DesiredModel, classifier: Classifier) -> None:
        self.name = name
        self.desired = desired  # what this model was loaded for
        self.classifier = classifier
        self.unlike_images = UnlikeImages(classifier.spec)
        self.metrics = ModelMetrics(name, desired.version, self.engine)
        self.loop_images = int(LOOP_S / classifier.image_s) if classifier.image_s else 0  # predicted so at most

    @property
    def version(self) -> str:
        """The version in the registry."""
        return self.desired.version

    @property
    def engine(self) -> str:
        """What computes its predictions."""
        return "onnxruntime" if isinstance(self.classifier, GraphClassifier) else "torch"

    @property
    def inputs(self) -> Tensors:
        """The input tensor of V2 metadata."""
        spec = self.classifier.spec
        return [{"name": INPUT, "datatype": "UINT8", "shape": [-1, spec.height, spec.width, spec.channels]}]

    @property
    def outputs(self) -> Tensors:
        """The output tensors of V2 metadata."""
        label, name, probabilities = OUTPUTS
        return [
            {"name": label, "datatype": "INT64", "shape": [-1]},
            {"name": name, "datatype": "BYTES", "shape": [-1]},
            {"name": probabilities, "datatype": "FP32", "shape": [-1, len(self.classifier.spec.classes)]},
        ]
