"""Loading several bundles at once: one that is broken, slow or hangs holds back no other."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from forebay.errors import ForebayError
from forebay.models import Classifier
from forebay.serving.repository.load_bundle import load_for_serving
from forebay.serving.state import DesiredModel

logger = logging.getLogger(__name__)

MAX_CONCURRENT_LOADS = 2  # each takes a core and its memory

Load = Callable[[DesiredModel], Classifier]


@dataclass(frozen=True, kw_only=True)
class LoadTimeouts:
    """How long loading one bundle may take."""

    late_s: float = 300.0  # equal to deploy.timeout_s; a bundle that takes longer is late, and is served all the same
    slot_s: float = 15.0  # a bundle that takes longer no longer counts against `MAX_CONCURRENT_LOADS`


class BundleIdentity(NamedTuple):
    """What a model is made from, under whatever name and version it is served."""

    bundle: str
    weights_sha256: str
    digest: str

    @classmethod
    def of(cls, desired: DesiredModel) -> "BundleIdentity":
        """The bundle of a desired model; equal for two that are the same model."""
        return cls(desired.bundle, desired.weights_sha256, desired.digest)


class _LoadAttempt:
    """One bundle, loaded in a thread of its own."""

    def __init__(self, desired: DesiredModel, load: Load, finished: threading.Event) -> None:
        self.classifier: Classifier | None = None
        self.error = ""
        self.start_time: float | None = None
        self.is_done = False
        self._desired = desired
        self._load = load
        self._finished = finished

    def start(self) -> None:
        self.start_time = time.monotonic()
        threading.Thread(target=self._run, name="load-bundle", daemon=True).start()  # may hang: nothing waits for it

    def _run(self) -> None:
        try:
            self.classifier = self._load(self._desired)
        except BaseException as problem:  # whatever is wrong with one bundle, the others are served
            foreseen = isinstance(problem, ForebayError)
            self.error = str(problem) if foreseen else f"{type(problem).__name__}: {problem}"
            logger.error("%s cannot be served: %s", self._desired.bundle, self.error, exc_info=not foreseen)
        self.is_done = True
        self._finished.set()

    @property
    def seconds(self) -> float:
        return 0.0 if self.start_time is None else time.monotonic() - self.start_time


class LoadResult(NamedTuple):
    """What loading a bundle has led to so far."""

    classifier: Classifier | None = None
    error: str = ""
    is_loading: bool = False  # together with an error: it is late


class BundleLoader:
    """Loads the bundles of desired models. Used by one thread."""

    def __init__(self, load: Load = load_for_serving, timeouts: LoadTimeouts | None = None) -> None:
        self.finished = threading.Event()  # set whenever a bundle was loaded or has failed
        self._load = load
        self._timeouts = timeouts or LoadTimeouts()
        self._attempts: dict[BundleIdentity, _LoadAttempt] = {}

    def set_desired(self, desired: Iterable[DesiredModel]) -> None:
        """Load exactly these: retry what failed before, and forget what is no longer desired."""
        by_identity = {BundleIdentity.of(model): model for model in desired}
        self._attempts = {
            identity: attempt
            for identity, attempt in self._attempts.items()
            if identity in by_identity and not attempt.error
        }
        for identity, model in by_identity.items():
            if identity not in self._attempts:
                self._attempts[identity] = _LoadAttempt(model, self._load, self.finished)
        self._start_waiting()

    def result(self, desired: DesiredModel) -> LoadResult:
        """What loading this model has led to so far."""
        self._start_waiting()
        attempt = self._attempts[BundleIdentity.of(desired)]
        if attempt.is_done:
            return LoadResult(attempt.classifier, attempt.error)
        if attempt.seconds < self._timeouts.late_s:
            return LoadResult(is_loading=True)
        late = f"{desired.bundle} is not loaded after {self._timeouts.late_s:g} s; it is served once it is."
        return LoadResult(error=f"{late} Does its disk answer?", is_loading=True)

    def forget(self, desired: DesiredModel) -> None:
        """Release the result of a model that is served now."""
        self._attempts.pop(BundleIdentity.of(desired), None)

    def _start_waiting(self) -> None:
        loading = [each for each in self._attempts.values() if each.start_time is not None and not each.is_done]
        slots_taken = sum(each.seconds < self._timeouts.slot_s for each in loading)
        for attempt in self._attempts.values():
            if slots_taken >= MAX_CONCURRENT_LOADS:
                return
            if attempt.start_time is None:
                attempt.start()
                slots_taken += 1
