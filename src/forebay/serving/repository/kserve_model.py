"""A classifier in the form in which the KServe SDK keeps models."""

from typing import Any

import kserve

from forebay.models import Classifier
from forebay.serving.protocol.names import INPUT, OUTPUTS
from forebay.serving.protocol.unlike_images import UnlikeImages
from forebay.serving.state import DesiredModel


class KServeModel(kserve.Model):  # type: ignore[misc]
    """A classifier under a name. Inference goes through `forebay.serving.app`; the SDK asks for the metadata."""

    def __init__(self, name: str, desired: DesiredModel, classifier: Classifier) -> None:
        super().__init__(name)
        self.desired = desired  # what this model was loaded for
        self.classifier = classifier
        self.unlike_images = UnlikeImages(classifier.spec)
        self.ready = True

    @property
    def version(self) -> str:
        """The version in the registry."""
        return self.desired.version

    def get_input_types(self) -> list[dict[str, Any]]:
        """The input tensor of V2 metadata."""
        spec = self.classifier.spec
        return [{"name": INPUT, "datatype": "UINT8", "shape": [-1, spec.height, spec.width, spec.channels]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The output tensors of V2 metadata."""
        label, name, probabilities = OUTPUTS
        return [
            {"name": label, "datatype": "INT64", "shape": [-1]},
            {"name": name, "datatype": "BYTES", "shape": [-1]},
            {"name": probabilities, "datatype": "FP32", "shape": [-1, len(self.classifier.spec.classes)]},
        ]
