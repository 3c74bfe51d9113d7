"""MLflow or the object store away in the middle of a step: for a minute, or for good."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from forebay import tracking
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.settings.environment import MLFLOW_URI
from support.closable_proxy import OPEN, SHUT, Gate
from support.fault_cases.case import Act, Ground
from support.fault_cases.place import NAME, Place
from support.fault_cases.process import amid, ended
from support.fault_cases.steps import perform

A_MINUTE_S = 60.0
FEW_TRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}  # settings of MLflow's own


def mlflow_for_a_minute(order: bytes) -> Act:
    """The step waits, and ends as if nothing had been."""
    return partial(_mlflow_for_a_minute, order)


def _mlflow_for_a_minute(order: bytes, ground: Ground, step: str) -> None:
    gate: Gate = ground.request.getfixturevalue("mlflow_gate")
    place = ground.place(step)
    fault = amid(step, gate.away(order, A_MINUTE_S))
    try:
        assert ended(step, place, fault, MLFLOW_TRACKING_URI=gate.url) == 0, place.events()
    finally:
        gate(OPEN)
    with _at(gate):
        ground.check_resumed(step, place)


def mlflow_gone(ground: Ground, step: str) -> None:
    """The step fails by name, with nothing registered; with MLflow back, the next try ends well."""
    gate: Gate = ground.request.getfixturevalue("mlflow_gate")
    place = ground.place(step)
    try:
        code = ended(step, place, amid(step, gate.away(SHUT, None)), MLFLOW_TRACKING_URI=gate.url, **FEW_TRIES)
    finally:
        gate(OPEN)
    if step == "train":  # curves are worth a warning, never the training
        assert code == 0, place.events()
        assert any(text.startswith("MLflow could not be written") for text in place.warnings()), place.warnings()
        ground.check_resumed(step, place)
        return
    assert code == 1
    failure = place.failure()
    assert f"MLflow at {gate.url} failed" in failure["error"]
    assert not failure["permanent"], "it may be back when the step is tried again"
    with _at(gate):
        assert _versions(place) == []
        perform(step, place)
        ground.check_resumed(step, place)


def checkpoint_store(order: bytes, seconds: float | None) -> Act:
    """The training goes on without its copies, and says so where they stay away."""
    return partial(_checkpoint_store, order, seconds)


def _checkpoint_store(order: bytes, seconds: float | None, ground: Ground, step: str) -> None:
    gate: Gate = ground.request.getfixturevalue("s3_gate")
    variables = ground.request.getfixturevalue("s3_server").environment | {"AWS_ENDPOINT_URL": gate.url}
    place = ground.place(step)
    fault = amid(step, gate.away(order, seconds))
    try:
        code = ended(step, place, fault, **variables, **{CHECKPOINT_STORE: f"s3://faults/{ground.folder.name}"})
    finally:
        gate(OPEN)
    assert code == 0, place.events()
    ground.check_resumed(step, place)
    if seconds is None:
        assert any("keeps no checkpoints" in text or "was not copied" in text for text in place.warnings())


@contextmanager
def _at(gate: Gate) -> Iterator[None]:
    before = os.environ.get(MLFLOW_URI)
    os.environ[MLFLOW_URI] = gate.url
    try:
        yield
    finally:
        del os.environ[MLFLOW_URI]
        if before is not None:
            os.environ[MLFLOW_URI] = before


def forget_registered(gate: Gate, folder: Path) -> None:
    """Remove what the case before registered: the server is shared."""
    with _at(gate):
        client = tracking.client(Place(folder).home)
        if client.search_registered_models(f"name = '{NAME}'"):
            client.delete_registered_model(NAME)


def _versions(place: Place) -> list[Any]:
    return list(tracking.client(place.home).search_model_versions())
