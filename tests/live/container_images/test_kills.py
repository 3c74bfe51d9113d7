"""A container killed in any step: the run fails by name, and the next one goes on."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forebay.backend.summary import STEPS
from forebay.local.containers.engine import HOME_LABEL, home_label_value
from forebay.local.containers.step_containers import RUN_LABEL
from forebay.state import Home
from support.forebay_command import Forebay, cached_steps

if TYPE_CHECKING:
    from docker.client import DockerClient

EPOCHS = ("--set", "train.epochs=4")
CACHED = {"ingest", "preprocess", "train"}


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forebay]:
    cli = Forebay(tmp_path_factory.mktemp("killed"), {"FOREBAY_RUNNER": "docker"})
    yield cli
    cli("stop")


@pytest.mark.parametrize("step", STEPS)
def test_the_step_is_named_and_what_came_before_is_kept(engine: "DockerClient", cli: Forebay, step: str) -> None:
    filters = {"event": "start", "label": [f"{HOME_LABEL}={home_label_value(Home(cli.home))}", RUN_LABEL]}
    started = engine.events(decode=True, filters=filters)

    def kill_the_steps_containers() -> None:
        for event in started:
            if f"-{step}-" in event["Actor"]["Attributes"]["name"]:
                engine.api.kill(event["id"])

    killer = threading.Thread(target=kill_the_steps_containers)
    killer.start()
    run = cli.start("run", "--json", *EPOCHS)
    output, said = run.communicate(timeout=300)
    started.close()
    killer.join()
    assert run.returncode == 1, said
    summary = json.loads(output)
    assert summary["error"]["step"] == step
    assert "its container was killed (signal 9)" in summary["error"]["error"]
    assert f"`forebay logs {step}`" in summary["error"]["error"]
    done_by_earlier_runs = STEPS[: max(0, STEPS.index(step) - 1)]  # the one before it ran just now
    assert cached_steps(summary) == CACHED & set(done_by_earlier_runs)


def test_the_run_after_them_ends_well_and_leaves_nothing(engine: "DockerClient", cli: Forebay) -> None:
    summary = cli.json("run", *EPOCHS)
    assert summary["state"] == "done"
    assert cached_steps(summary) == CACHED
    assert steps_of(engine, cli) == []


def test_gpus_that_the_engine_cannot_give_are_named_with_the_fix(engine: "DockerClient", tmp_path: Path) -> None:
    if "nvidia" in engine.info()["Runtimes"]:
        pytest.skip("this engine gives GPUs")
    cli = Forebay(tmp_path, {"FOREBAY_RUNNER": "docker"})
    summary = cli.json("run", "--set", "train.gpus=1", expect=1)
    assert summary["error"]["step"] == "train"
    assert "could not select device driver" in summary["error"]["error"]
    assert "NVIDIA Container Toolkit" in summary["error"]["error"]
    assert steps_of(engine, cli) == []


def steps_of(engine: "DockerClient", cli: Forebay) -> list[Any]:
    """The step containers of a state folder, running or not."""
    filters = {"label": [f"{HOME_LABEL}={home_label_value(Home(cli.home))}", RUN_LABEL]}
    found: list[Any] = engine.containers.list(all=True, filters=filters)
    return found
