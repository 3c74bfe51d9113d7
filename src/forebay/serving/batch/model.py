"""The model of a batch: loaded as the server loads it."""

from dataclasses import dataclass

from forebay.models import Classifier
from forebay.serving.batch.bundle_format import bundle_identity
from forebay.serving.repository.load_bundle import load_for_serving
from forebay.serving.state import DesiredModel


@dataclass(frozen=True, kw_only=True)
class BatchModel:
    """A loaded model with its name."""

    name: str
    version: str  # empty for a bundle that is not registered
    identity: str  # sha256 over its files, or over its weights where that is all that is known
    classifier: Classifier

    @classmethod
    def load(cls, name: str, version: str, desired: DesiredModel) -> "BatchModel":
        """Load a bundle; its files are checked as the server checks them.

        Raises:
            ModelError: as `load_for_serving`.
        """
        return cls(name=name, version=version, identity=bundle_identity(desired), classifier=load_for_serving(desired))

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the probabilities."""
        return list(self.classifier.spec.classes)
