"""Calls single steps in this process, outside any run, with the functions, settings and events of the pipeline."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from forebay.backend.summary import Event, StepFailedError, Summary, failure, summarize
from forebay.errors import EndedBySignalError, ExitCode
from forebay.ingest.fingerprint import source_fingerprint
from forebay.local.runs.interruption import interrupted_steps
from forebay.settings import EvaluateConfig, IngestConfig, PreprocessConfig, TrainConfig, step_config
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.settings.keys import Scalar
from forebay.signals import before_forced_exit, exit_status
from forebay.state import Home, step
from forebay.state.events import read_events
from forebay.version import code_version

if TYPE_CHECKING:
    from forebay.contracts.evaluation import EvaluationResult
    from forebay.contracts.manifest import DataManifest, SplitManifest
    from forebay.local.batch.request import BatchRequest, BatchResult
    from forebay.train import TrainResult

Result = TypeVar("Result")
SettingValues = Mapping[str, Scalar]  # settings by key, only those that differ from the defaults


def ingest_config(values: SettingValues) -> IngestConfig:
    """The settings of an ingest of the data as it is now.

    Raises:
        ConfigError: there is no data.
        UserCodeError: the code of a source that somebody wrote does not run.
    """
    data = str(values.get("ingest.data", IngestConfig.data))
    labels = str(values.get("ingest.labels", IngestConfig.labels))
    code = str(values.get("ingest.source_code", IngestConfig.source_code))
    fingerprint = source_fingerprint(data, labels, code)
    return step_config(IngestConfig, values, fingerprint=fingerprint, code_version=code_version())


def run_ingest(out: Path, config: IngestConfig) -> "DataManifest":
    """Read images into a folder."""
    with step("ingest") as log:
        from forebay.ingest import ingest

        return ingest(out, config, log)


def run_preprocess(dataset: Path, out: Path, values: SettingValues) -> "SplitManifest":
    """Split the rows of an ingest output folder."""
    with step("preprocess") as log:
        from forebay.preprocess import preprocess

        return preprocess(dataset, out, step_config(PreprocessConfig, values, code_version=code_version()), log)


def run_train(shards: Path, out: Path, values: SettingValues) -> "TrainResult":
    """Fit a model on a preprocess output folder."""
    with step("train") as log:
        from forebay.train import fit

        return fit(shards, out, step_config(TrainConfig, values, code_version=code_version()), log)


def run_evaluate(shards: Path, model: Path, out: Path, values: SettingValues) -> "EvaluationResult":
    """Measure a bundle on the test rows of a preprocess output folder."""
    with step("evaluate") as log:
        from forebay.evaluate import evaluate

        return evaluate(shards, model, out, step_config(EvaluateConfig, values), log)


def run_batch(request: "BatchRequest") -> "BatchResult":
    """Predict every image of some sources."""
    with step("predict") as log:
        from forebay.local.batch.run import predict_sources

        return predict_sources(request, log)


def call_steps(body: Callable[[], Result], show: Callable[[Event], None]) -> tuple[Result, Summary]:
    """Call steps and show their events as they come.

    Args:
        body: calls the functions above.
        show: called with every event, from another thread.

    Returns:
        What `body` returned, and the summary of what the steps recorded; its `run_id` is empty.

    Raises:
        StepFailedError: a step failed.
        EndedBySignalError: Ctrl-C, or a signal that ends like it.
    """
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        events = Path(folder) / "events.jsonl"
        os.environ[EVENTS_VARIABLE] = str(events)
        try:
            with (
                shown_events(events, show),
                before_forced_exit(lambda status, _: _interrupted(events, ExitCode(status))),
            ):
                result = body()
        except (KeyboardInterrupt, SystemExit) as error:
            status = exit_status(error)
            if status is None:
                raise
            raise _interrupted(events, status) from error
        except Exception as error:
            recorded, _ = read_events(events)
            if failure(recorded) is None:
                raise
            raise StepFailedError(_summary(recorded)) from error
        finally:
            del os.environ[EVENTS_VARIABLE]
        return result, _summary(read_events(events)[0])


def _interrupted(events: Path, status: ExitCode) -> EndedBySignalError:
    recorded, _ = read_events(events)
    return interrupted_steps(Home.find(), _summary(recorded), recorded, status)


def _summary(events: list[Event]) -> Summary:
    summary = summarize("", events)
    called = [each for each in summary["steps"] if not each["cached"]]  # a run counts a step without events as cached
    return summary | {"steps": called}


@contextlib.contextmanager
def shown_events(events: Path, show: Callable[[Event], None]) -> Iterator[None]:
    """Show the events that the block writes, as they come, from another thread."""
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(events, show, ended), daemon=True, name="events")
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _follow(events: Path, show: Callable[[Event], None], ended: threading.Event, poll_s: float = 0.05) -> None:
    offset, last = 0, False
    while not last:
        last = ended.wait(poll_s)  # before the events, so that none written before the end is missed
        found, offset = read_events(events, offset)
        for event in found:
            show(event)
