"""Models in the KServe SDK's repository: which are wanted, which answer, and swapping them under running requests."""

import gc
import logging
from dataclasses import replace
from typing import Any

import kserve

from forebay.models import Classifier
from forebay.serving.loading.attempts import Loader, Outcome, content
from forebay.serving.metrics import show_models
from forebay.serving.protocol.encode import INPUT
from forebay.serving.protocol.outputs import OUTPUTS
from forebay.serving.state import DesiredModel, LoadStatus

logger = logging.getLogger(__name__)


class ServedModel(kserve.Model):  # type: ignore[misc]
    """A classifier under a name. Inference goes through `forebay.serving.app`, the SDK asks for the metadata."""

    def __init__(self, name: str, served: DesiredModel, classifier: Classifier) -> None:
        super().__init__(name)
        self.served = served
        self.classifier = classifier
        self.ready = True

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


class Models:
    """What is served, by name. A request keeps the model it began with, so a swap disturbs none.

    Requests ask from any thread; `want` and `settle` are one thread's.
    """

    def __init__(self, repository: kserve.ModelRepository, loader: Loader | None = None) -> None:
        self.repository = repository
        self._loader = loader or Loader()
        self._wanted: dict[str, DesiredModel] = {}

    def get(self, name: str) -> ServedModel | None:
        """The model that answers for a name now."""
        return self.repository.get_model(name)  # type: ignore[no-any-return]

    def names(self) -> list[str]:
        """Every name that is answered for, sorted."""
        return sorted(self.repository.get_models())

    def missing(self) -> dict[str, str]:
        """Names that are wanted and not answered for, with their versions; candidates of deployments are nobody's."""
        return {
            name: served.version
            for name, served in sorted(self._wanted.items())
            if not served.candidate and self.get(name) is None
        }

    def wanted_version(self, name: str) -> str | None:
        """The version that should answer for a name; None where nothing should."""
        served = self._wanted.get(name)
        return None if served is None else served.version

    def want(self, desired: dict[str, DesiredModel]) -> None:
        """Begin to serve exactly these models; one that cannot be loaded leaves what answered before in place."""
        self._wanted = dict(desired)
        self._loader.ask(served for served in self._unserved().values() if self._shared(served) is None)
        self._take()
        dropped = set(self.names()) - set(desired)
        for name in dropped:
            self.repository.unload(name)
            logger.info("%s is no longer served", name)
        if dropped:
            self._changed()

    def settle(self) -> dict[str, LoadStatus]:
        """Serve what was loaded meanwhile.

        Returns:
            What answers for each name now; where it is not what was wanted, whether that is being loaded, or why not.
        """
        self._take()
        return {name: self._state(name, served) for name, served in self._wanted.items()}

    def is_loading(self) -> bool:
        """Whether something is being loaded that does not take too long."""
        return any(self._state(name, served).is_pending for name, served in self._wanted.items())

    def wait_for_news(self, timeout_s: float) -> None:
        """Wait until a bundle was loaded or refused, or for that long."""
        if self._loader.ended.wait(timeout_s):
            self._loader.ended.clear()

    def _unserved(self) -> dict[str, DesiredModel]:
        return {
            name: served
            for name, served in self._wanted.items()
            if (current := self.get(name)) is None or current.served != served
        }

    def _take(self) -> None:
        changed = False
        for name, served in self._unserved().items():
            classifier = self._shared(served) or self._outcome(served).classifier
            if classifier is not None:
                self.repository.update(ServedModel(name, served, classifier))
                logger.info("%s serves version %s from %s", name, served.version, served.bundle)
                self._loader.forget(served)
                changed = True
        if changed:
            self._changed()

    def _changed(self) -> None:
        show_models((name, model.served.version, model.classifier.spec) for name, model in self._items())
        gc.collect()  # networks hold reference cycles; without this an old version lives until some later collection

    def _state(self, name: str, served: DesiredModel) -> LoadStatus:
        current = self.get(name)
        answering = LoadStatus() if current is None else current.served.loaded_status
        if current is not None and current.served == served:
            return answering
        found = self._outcome(served)
        here = found.classifier is not None  # since a moment ago: the next look serves it
        return replace(answering, error=found.error, loading=found.loading or here)

    def _outcome(self, served: DesiredModel) -> Outcome:
        return self._loader.outcome(served)

    def _shared(self, served: DesiredModel) -> Classifier | None:
        """The same bundle, where it is served under another name already."""
        same = (model for _, model in self._items() if content(model.served) == content(served))
        return next((model.classifier for model in same), None)

    def _items(self) -> list[tuple[str, ServedModel]]:
        return sorted(self.repository.get_models().items())
