"""Which models are desired, which ones answer, and how they are swapped under running requests."""

import gc
import logging
from dataclasses import replace

from forebay.models import Classifier
from forebay.serving.repository.loader import BundleIdentity, BundleLoader
from forebay.serving.repository.model_metrics import export_models
from forebay.serving.repository.served_model import ServedModel
from forebay.serving.state import DesiredModel, LoadStatus

logger = logging.getLogger(__name__)


class ModelManager:
    """The served models by name. A request keeps the model that it began with, so a swap disturbs none.

    Requests read from any thread; `set_desired` and `reconcile` are called by one thread.
    """

    def __init__(self, loader: BundleLoader | None = None) -> None:
        self._models: dict[str, ServedModel] = {}  # replaced, never changed: other threads read it
        self._loader = loader or BundleLoader()
        self._desired: dict[str, DesiredModel] = {}

    def get(self, name: str) -> ServedModel | None:
        """The model that answers under a name now."""
        return self._models.get(name)

    def names(self) -> list[str]:
        """Every name under which a model answers, sorted."""
        return sorted(self._models)

    def missing(self) -> dict[str, str]:
        """Desired names under which no model answers, with their versions; candidates of deployments do not count."""
        return {
            name: desired.version
            for name, desired in sorted(self._desired.items())
            if not desired.candidate and self.get(name) is None
        }

    def set_desired(self, desired: dict[str, DesiredModel]) -> None:
        """Begin to serve exactly these models; one that cannot be loaded leaves the model before it in place."""
        self._desired = dict(desired)
        self._loader.set_desired(each for each in self._not_served().values() if self._shared(each) is None)
        self._serve_loaded()
        dropped = set(self.names()) - set(desired)
        self._models = {name: model for name, model in self._models.items() if name not in dropped}
        for name in dropped:
            logger.info("%s is no longer served", name)
        if dropped:
            self._models_changed()

    def reconcile(self) -> dict[str, LoadStatus]:
        """Serve what was loaded meanwhile.

        Returns:
            Which model answers under each name now; where it is not the desired one, whether that is being loaded, or
            why it cannot be.
        """
        self._serve_loaded()
        return {name: self._status(name, desired) for name, desired in self._desired.items()}

    def is_loading(self) -> bool:
        """Whether a model is being loaded and is not late."""
        return any(self._status(name, desired).is_pending for name, desired in self._desired.items())

    def wait_for_load(self, timeout_s: float) -> None:
        """Wait until a bundle was loaded or has failed, but no longer than the timeout."""
        if self._loader.finished.wait(timeout_s):
            self._loader.finished.clear()

    def _not_served(self) -> dict[str, DesiredModel]:
        return {
            name: desired
            for name, desired in self._desired.items()
            if (current := self.get(name)) is None or current.desired != desired
        }

    def _serve_loaded(self) -> None:
        changed = False
        for name, desired in self._not_served().items():
            classifier = self._shared(desired) or self._loader.result(desired).classifier
            if classifier is not None:
                self.serve(ServedModel(name, desired, classifier))
                logger.info("%s serves version %s from %s", name, desired.version, desired.bundle)
                self._loader.forget(desired)
                changed = True
        if changed:
            self._models_changed()

    def serve(self, model: ServedModel) -> None:
        """Answer with this model under its name from now on."""
        self._models = {**self._models, model.name: model}

    def _models_changed(self) -> None:
        export_models((name, model.version, model.classifier.spec) for name, model in self._items())
        gc.collect()  # networks hold reference cycles; without this an old version lives until some later collection

    def _status(self, name: str, desired: DesiredModel) -> LoadStatus:
        current = self.get(name)
        status = LoadStatus() if current is None else current.desired.loaded_status
        if current is not None and current.desired == desired:
            return status
        result = self._loader.result(desired)
        just_loaded = result.classifier is not None  # the next `reconcile` serves it
        return replace(status, error=result.error, loading=result.is_loading or just_loaded)

    def _shared(self, desired: DesiredModel) -> Classifier | None:
        """The classifier of the same bundle, where it is served under another name already."""
        identity = BundleIdentity.of(desired)
        same = (model for _, model in self._items() if BundleIdentity.of(model.desired) == identity)
        return next((model.classifier for model in same), None)

    def _items(self) -> list[tuple[str, ServedModel]]:
        return sorted(self._models.items())
