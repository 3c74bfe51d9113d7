"""Loading several bundles beside one another: one that is broken, slow or hangs holds back no other."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from forebay.errors import ForebayError
from forebay.models import Classifier
from forebay.serving.loading.bundle import open_bundle
from forebay.serving.state import DesiredModel

logger = logging.getLogger(__name__)

LIMIT_S = 300.0  # for one bundle, as deploy.timeout_s; one that ends later is served all the same
BESIDE = 2  # that load at once: each takes a core and its memory,
YIELDS_S = 15.0  # but one that takes longer than this no longer keeps the next from beginning

Load = Callable[[DesiredModel], Classifier]


class Content(NamedTuple):
    """What a model is made from, under whatever name and version it is served."""

    bundle: str
    weights_sha256: str
    digest: str


def content(served: DesiredModel) -> Content:
    """What makes two wishes the same model."""
    return Content(served.bundle, served.weights_sha256, served.digest)


class _Attempt:
    """One bundle, loaded in a thread of its own."""

    def __init__(self, served: DesiredModel, load: Load, ended: threading.Event) -> None:
        self.classifier: Classifier | None = None
        self.error = ""
        self.began: float | None = None
        self.done = False
        self._served = served
        self._load = load
        self._ended = ended

    def begin(self) -> None:
        self.began = time.monotonic()
        threading.Thread(target=self._run, name="load-bundle", daemon=True).start()  # one that hangs holds up no end

    def _run(self) -> None:
        try:
            self.classifier = self._load(self._served)
        except BaseException as problem:  # whatever is wrong with one bundle, the others are served
            foreseen = isinstance(problem, ForebayError)
            self.error = str(problem) if foreseen else f"{type(problem).__name__}: {problem}"
            logger.error("%s cannot be served: %s", self._served.bundle, self.error, exc_info=not foreseen)
        self.done = True
        self._ended.set()

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else time.monotonic() - self.began


class Outcome(NamedTuple):
    """What came of loading a bundle so far."""

    classifier: Classifier | None = None
    error: str = ""
    loading: bool = False  # with an error: it takes too long


class Loader:
    """Loads what is asked for. Used by one thread."""

    def __init__(self, load: Load = open_bundle, limit_s: float = LIMIT_S, yields_s: float = YIELDS_S) -> None:
        self.ended = threading.Event()  # set with every bundle that was loaded or refused
        self._load = load
        self._limit_s = limit_s
        self._yields_s = yields_s
        self._attempts: dict[Content, _Attempt] = {}

    def ask(self, wanted: Iterable[DesiredModel]) -> None:
        """Load these; what failed before is tried again, what is no longer wanted is forgotten."""
        by_content = {content(served): served for served in wanted}
        self._attempts = {
            key: attempt for key, attempt in self._attempts.items() if key in by_content and not attempt.error
        }
        for key, served in by_content.items():
            if key not in self._attempts:
                self._attempts[key] = _Attempt(served, self._load, self.ended)
        self._begin()

    def outcome(self, served: DesiredModel) -> Outcome:
        """What came of this one."""
        self._begin()
        attempt = self._attempts[content(served)]
        if attempt.done:
            return Outcome(attempt.classifier, attempt.error)
        if attempt.seconds < self._limit_s:
            return Outcome(loading=True)
        late = f"{served.bundle} is not loaded after {self._limit_s:g} s; it is served once it is."
        return Outcome(error=f"{late} Does its disk answer?", loading=True)

    def forget(self, served: DesiredModel) -> None:
        """Keep nothing of one that is served now."""
        self._attempts.pop(content(served), None)

    def _begin(self) -> None:
        begun = [each for each in self._attempts.values() if each.began is not None and not each.done]
        running = sum(each.seconds < self._yields_s for each in begun)
        for attempt in self._attempts.values():
            if running >= BESIDE:
                return
            if attempt.began is None:
                attempt.begin()
                running += 1
