"""Models in the KServe SDK's repository: loading bundles, and swapping them under running requests."""

import gc
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kserve
import numpy as np

from forebay.errors import ForebayError, ModelError
from forebay.models import Classifier, load_bundle
from forebay.serving.metrics import show_models
from forebay.serving.state import Loaded, Served
from forebay.serving.wire import codec
from forebay.serving.wire.outputs import OUTPUTS
from forebay.signing import verify_if_asked

logger = logging.getLogger(__name__)


class ServedModel(kserve.Model):  # type: ignore[misc]
    """A classifier under a name. Inference goes through `forebay.serving.app`, the SDK asks for the metadata."""

    def __init__(self, name: str, served: Served, classifier: Classifier) -> None:
        super().__init__(name)
        self.served = served
        self.classifier = classifier
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """The input tensor of V2 metadata."""
        spec = self.classifier.spec
        return [{"name": codec.INPUT, "datatype": "UINT8", "shape": [-1, spec.height, spec.width, spec.channels]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The output tensors of V2 metadata."""
        label, name, probabilities = OUTPUTS
        return [
            {"name": label, "datatype": "INT64", "shape": [-1]},
            {"name": name, "datatype": "BYTES", "shape": [-1]},
            {"name": probabilities, "datatype": "FP32", "shape": [-1, len(self.classifier.spec.classes)]},
        ]


@dataclass(frozen=True)
class Models:
    """What is served, by name. A request keeps the model it began with, so a swap disturbs none."""

    repository: kserve.ModelRepository

    def get(self, name: str) -> ServedModel | None:
        """The model that answers for a name now."""
        return self.repository.get_model(name)  # type: ignore[no-any-return]

    def names(self) -> list[str]:
        """Every served name, sorted."""
        return sorted(self.repository.get_models())

    def apply(self, desired: dict[str, Served]) -> dict[str, Loaded]:
        """Serve exactly these models; one that cannot be loaded leaves what answered before in place.

        Returns:
            What answers for each name now, with the reason where it is not what was wanted.
        """
        result = {name: self._bring_up(name, served) for name, served in desired.items()}
        for name in set(self.names()) - set(desired):
            self.repository.unload(name)
            logger.info("%s is no longer served", name)
        gc.collect()  # networks hold reference cycles; without this an old version lives until some later collection
        show_models((name, model.served.version, model.classifier.spec) for name, model in self._items())
        return result

    def _bring_up(self, name: str, served: Served) -> Loaded:
        current, error = self.get(name), ""
        if current is None or current.served != served:
            try:
                self.repository.update(ServedModel(name, served, self._classifier(served)))
                logger.info("%s serves version %s from %s", name, served.version, served.bundle)
            except Exception as problem:  # whatever is wrong with one bundle, the others are served
                logger.exception("%s version %s cannot be served", name, served.version)
                error = str(problem) if isinstance(problem, ForebayError) else f"{type(problem).__name__}: {problem}"
        model = self.get(name)
        if model is None:
            return Loaded(error=error)
        return Loaded(version=model.served.version, weights_sha256=model.served.weights_sha256, error=error)

    def _classifier(self, served: Served) -> Classifier:
        for _, model in self._items():
            if (model.served.bundle, model.served.weights_sha256) == (served.bundle, served.weights_sha256):
                return model.classifier
        return open_bundle(Path(served.bundle), served.weights_sha256)

    def _items(self) -> list[tuple[str, ServedModel]]:
        return sorted(self.repository.get_models().items())


def open_bundle(folder: Path, weights_sha256: str) -> Classifier:
    """Load a bundle and let it answer once, so that the first client neither waits nor finds out that it cannot.

    Raises:
        ModelError: it is not signed as `FOREBAY_VERIFY_KEY` wants it, cannot be loaded, its weights are not the ones
            asked for, or its answer is not finite.
    """
    verify_if_asked(folder)
    classifier = load_bundle(folder)
    spec = classifier.spec
    if spec.weights_sha256 != weights_sha256:
        raise ModelError(
            f"{folder} holds weights {spec.weights_sha256[:12]}…, not the {weights_sha256[:12]}… that were registered. "
            "Deploy the version again."
        )
    if not np.isfinite(classifier.predict(np.zeros((1, spec.height, spec.width, spec.channels), np.uint8))).all():
        raise ModelError(f"{folder} answers with numbers that are not finite. Train the model again.")
    return classifier
