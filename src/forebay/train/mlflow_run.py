"""One MLflow run per training, written while it trains.

A thread writes it: importing MLflow takes seconds, a tracking server may be slow or unreachable, and neither may delay
or end a training. A training that was killed goes on in the run that it began: the run is found by a tag, and only
epochs that the run does not have yet are logged.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from forebay import tracking
from forebay.errors import ForebayError
from forebay.settings.environment import MLFLOW_RUN_ID
from forebay.state import Home
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, login_advice, refused_status
from forebay.train.loop.history import EpochRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRAINING_TAG = "forebay.training_id"
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own: its pages show a run below its parent

ADVICE = "Check MLFLOW_TRACKING_URI, or the disk and mlflow.db of the state folder."

OVERFITTING_TAG = "forebay.overfitting"  # the sentence, on the run of a training that over-fitted

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]


class TrackedRun:
    """The MLflow run of a training. Where MLflow cannot be reached, it warns, and the training goes on."""

    def __init__(
        self, home: Home, training_id: str, name: str, parameters: dict[str, Any], tags: dict[str, str],
        warn: Callable[[str], None], *, data: tracking.DataInput | None = None, is_member: bool = False,
        members: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Begin to write.

        Args:
            data: the input of the run.
            is_member: whether it is one of several trainings of a step: it never writes into a run of the step's.
            members: ids of the runs that are to stand below this one.
        """
        self.training_id = training_id
        self._is_member = is_member
        self._members = members
        self.run_id: str | None = None
        self._home = home
        self._tags = {**tags, TRAINING_TAG: training_id, "mlflow.runName": name}
        self._parameters = parameters
        self._data = data
        self._warn = warn
        self._owns_run = True  # this class begins the run and ends it
        self._queue: queue.SimpleQueue[EpochRecord | tuple[str, str] | RunStatus] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True, name="mlflow-run")
        self._thread.start()

    def log_epoch(self, record: EpochRecord) -> None:
        """Add a point to the curves."""
        self._queue.put(record)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self._queue.put((key, value))

    def finish(self, status: RunStatus, timeout_s: float) -> str | None:
        """End the run, and wait until everything is written or the time is over.

        Returns:
            The run's id; None where it could not be begun.
        """
        self._queue.put(status)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._warn(
                f"MLflow has not answered for {timeout_s:.0f} s; the curves of this training are incomplete there."
            )
        return self.run_id

    def _run(self) -> None:
        try:
            client = tracking.client(self._home)
            self.run_id = self._open(client)
            if self._data is not None:
                tracking.log_data(client, self.run_id, self._data)
            for member in self._members:
                client.set_tag(member, PARENT_TAG, self.run_id)
            self._write_epochs(client, self.run_id)
        except Exception as error:  # a store or a network may raise anything
            refused = refused_status(error)
            self._warn(
                f"MLflow could not be written ({refused or type(error).__name__}); the training is not affected. "
                + (login_advice() if refused else _advice(error))
            )

    def _open(self, client: "MlflowClient") -> str:
        given = os.environ.get(MLFLOW_RUN_ID)
        if given and not self._is_member:
            return self._adopt(client, given)
        experiment = tracking.experiment_id(client, self._home)
        query = f"tags.`{TRAINING_TAG}` = '{self._tags[TRAINING_TAG]}'"
        found = client.search_runs([experiment], query, max_results=1)
        if found:
            return str(found[0].info.run_id)
        run_id = str(client.create_run(experiment, tags=self._tags).info.run_id)
        self._log_parameters(client, run_id)
        return run_id

    def _adopt(self, client: "MlflowClient", run_id: str) -> str:
        """Write into the run that Kubeflow Pipelines began for this step and ends: one run per training, not two."""
        self._owns_run = False
        for key in self._tags.keys() - {"mlflow.runName"}:
            client.set_tag(run_id, key, self._tags[key])
        self._log_parameters(client, run_id)
        return run_id

    def _log_parameters(self, client: "MlflowClient", run_id: str) -> None:
        from mlflow.entities import Param

        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in self._parameters.items()])

    def _write_epochs(self, client: "MlflowClient", run_id: str) -> None:
        """Write epochs as they arrive, until the run ends."""
        logged = {metric.step for metric in client.get_metric_history(run_id, "train_loss")}
        if self._owns_run and client.get_run(run_id).info.status != "FINISHED":
            client.update_run(run_id, status="RUNNING")
        while not isinstance(item := self._queue.get(), str):
            if isinstance(item, tuple):
                client.set_tag(run_id, *item)
            elif item.epoch not in logged:
                _log_epoch(client, run_id, item)
        if self._owns_run:
            client.set_terminated(run_id, item)


def _advice(error: Exception) -> str:
    if isinstance(error, ForebayError):
        return str(error)
    return explain_mlflow_error(error) if is_database_damage(error) else ADVICE


def _log_epoch(client: "MlflowClient", run_id: str, record: EpochRecord) -> None:
    """Log all curves of an epoch in one batch, so that an epoch is there whole or not at all."""
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    points = [Metric(key, value, now_ms, record.epoch) for key, value in record.measures().items() if value is not None]
    client.log_batch(run_id, metrics=points)
