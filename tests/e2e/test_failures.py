"""What goes wrong: kills at every step, wrong use, two runs at once, a gate that says no."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import forebay as package
from support.forebay_command import Forebay, ForebayHere, cached_steps
from support.made_once import home_with
from support.small_images import write_idx

QUICK = ("--model", "mlp", "--set", "train.epochs=12")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_idx(tmp_path / "shapes")
    return tmp_path / "shapes"


def _until(condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 2400) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the condition never came"
        time.sleep(0.02)


def _started(cli: Forebay, step: str) -> bool:
    return any(event["step"] == step and event["kind"] == "started" for event in cli.events())


def _below(cli: Forebay) -> list[psutil.Process]:
    """Living processes that belong to this state folder, its server left out."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        environment = process.info["environ"] or {}
        ours = environment.get("FOREBAY_HOME") == str(cli.home) and process.info["status"] != psutil.STATUS_ZOMBIE
        if ours and "forebay.serving" not in (process.info["cmdline"] or []):
            found.append(process)
    return found


def _serves_forks(process: psutil.Process) -> bool:
    """Whether it is the process of which the steps of a run are forks, and not one of them."""
    parent = process.parent()
    words = [" ".join(each.cmdline()) for each in (process, parent) if each]
    return ["multiprocessing.forkserver" in each for each in words] == [True, False]


def _gone(cli: Forebay, timeout_s: float = 60) -> bool:
    end = time.monotonic() + timeout_s
    while _below(cli) and time.monotonic() < end:
        time.sleep(0.05)
    return not _below(cli)


@dataclass(frozen=True)
class Survived:
    """A state folder whose runs were killed, one in each step, and what the run after them said."""

    cli: Forebay
    run: tuple[object, ...]  # the words of the command
    summary: dict[str, Any]
    tries: dict[str, int]  # how often each step began in the last run


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[Survived]:
    """Killed in every step, in a folder with a space in its name; in the last run a step is killed, not the run."""
    folder = tmp_path_factory.mktemp("killed") / "a folder"
    write_idx(folder / "shapes")
    cli, words = Forebay(folder), ("run", "--data", folder / "shapes", *QUICK)
    home_with(mlflow_template, cli.home)
    for step in ("ingest", "preprocess", "train", "evaluate", "register", "deploy"):
        run = _started_in(cli, step, *words)
        for engine in _below(cli) if step == "preprocess" else []:
            engine.kill()  # nothing of this run can say anything any more
        run.kill()
        run.communicate()
        assert _gone(cli), f"{step} outlived the killed run: {_below(cli)}"
    run = _started_in(cli, "evaluate", *words, "--json")
    [server] = [process for process in _below(cli) if _serves_forks(process)]
    [step] = server.children()
    step.kill()
    said, errors = run.communicate(timeout=2400)
    assert run.returncode == 0, errors
    tries = Counter(event["step"] for event in cli.events() if event["kind"] == "started")
    yield Survived(cli, words, json.loads(said), tries)
    ForebayHere(cli.folder, cli.environment)("stop")


def _started_in(cli: Forebay, step: str, *words: object) -> subprocess.Popen[str]:
    """A new run in which a step has begun."""
    before = len(list((cli.home / "runs").glob("*")))
    run = cli.start(*words)
    try:
        _until(lambda: len(list((cli.home / "runs").glob("*"))) > before, run)
        _until(lambda: _started(cli, step), run)
    except BaseException:
        run.kill()  # its steps end with it
        raise
    return run


def test_a_run_killed_in_every_step_goes_on_and_registers_once(survived: Survived) -> None:
    assert cached_steps(survived.summary) == {"ingest", "preprocess", "train"}
    assert survived.summary["model"]["version"] == "1"
    assert survived.summary["gate"]["passed"] is True


def test_runs_that_were_killed_say_so_with_their_step(survived: Survived) -> None:
    runs = [run for run in ForebayHere(survived.cli.folder).json("runs")["runs"] if run["state"] == "killed"]
    steps = ["deploy", "register", "evaluate", "train", "preprocess", "ingest"]
    assert len(runs) == len(steps)
    for run, step in zip(runs, steps, strict=True):
        assert run["error"]["step"] in (step, None)  # a step that ended just then was not killed
        assert run["error"]["error"].startswith("Killed ")
        assert run["seconds"] > 0


def test_a_killed_step_is_tried_again_within_the_run(survived: Survived) -> None:
    assert survived.tries["evaluate"] == 2
    assert survived.tries["register"] == 1


def test_the_pipeline_runs_from_a_folder_with_a_space_in_its_name(survived: Survived) -> None:
    assert " " in str(survived.cli.folder)
    assert survived.summary["state"] == "done"


def test_mnist_files_keep_their_own_test_rows(survived: Survived) -> None:
    assert survived.summary["data"]["rows"] == 200
    assert survived.summary["accuracy"]["rows"] == 40
    assert survived.summary["model"]["name"] == "shapes"


def test_a_terminated_run_ends_its_steps_and_a_second_run_meanwhile_is_refused(forebay: Forebay, data: Path) -> None:
    run = forebay.start("run", "--data", data, *QUICK)
    _until(lambda: _started(forebay, "ingest"), run)
    refused = forebay("run", "--data", data, expect=2)
    assert f"process {run.pid}" in refused.stderr
    here = ForebayHere(forebay.folder, forebay.environment)
    going_on = here.json("status")
    assert (going_on["state"], going_on["steps"][-1]["running"]) == ("running", True)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=300)
    assert run.returncode == 143
    ended = here.json("status")
    assert ended["state"] == "interrupted"
    assert ended["error"]["error"].startswith("Ended by SIGTERM in ingest")
    assert ended["seconds"] > 0
    assert _gone(forebay)


def test_a_refused_model_leaves_the_champion_at_its_url(survived: Survived) -> None:
    cli = survived.cli
    summary = cli.json(*survived.run, "--seed", 1, "--set", "evaluate.min_accuracy=1", "--set",
                       "train.learning_rate=0.000001", expect=3)  # fmt: skip
    assert summary["gate"]["passed"] is False
    assert "evaluate.min_accuracy" in summary["gate"]["reason"] or "minimum" in summary["gate"]["reason"]
    assert summary["url"] == survived.summary["url"]
    assert cli.json("status")["server"]["models"]["shapes"]["version"] == survived.summary["model"]["version"]


def test_a_deleted_artifact_and_edited_code_each_miss_the_cache(survived: Survived, tmp_path: Path) -> None:
    cli = survived.cli
    for bundle in (cli.home / "artifacts").rglob("weights.safetensors"):
        bundle.unlink()
    again = cli.json(*survived.run)
    assert cached_steps(again) == {"ingest", "preprocess"}
    assert again["model"] == survived.summary["model"], "the same weights reuse their version"

    copy = tmp_path / "edited"
    source = Path(package.__file__).parent
    shutil.copytree(source, copy / "forebay")
    for mapped in ("components", "pipelines"):
        if not (source / mapped).exists():
            shutil.copytree(source.parents[1] / mapped, copy / "forebay" / mapped)
    other = Forebay(cli.folder, {"PYTHONPATH": str(copy)})
    copied = other.json(*survived.run)
    assert cached_steps(copied) == {"ingest", "preprocess", "train"}, "the same code in a wheel's layout is the same"
    with (copy / "forebay" / "train" / "__init__.py").open("a") as file:
        file.write("\n# edited\n")
    edited = other.json(*survived.run)
    assert cached_steps(edited) == set()


def test_swapped_labels_of_a_cached_artifact_are_found_and_it_is_made_anew(survived: Survived) -> None:
    cli, other = survived.cli, ("--set", "train.width=24")  # another training on the same, cached shards
    for path in (cli.home / "artifacts").rglob("train-labels.npy"):
        labels = np.load(path)
        labels[:100] = 1 - labels[:100]
        np.save(path, labels)
    again = cli(*survived.run, *other, "--json")
    assert "shards is not whole: files are missing, or are not as they were written" in " ".join(again.stderr.split())
    summary = json.loads(again.stdout)
    assert cached_steps(summary) == {"ingest"}
    assert summary["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--data", "absent"), "absent"),
        (("run", "--set", "train.epochs=0"), "train.epochs must be auto or a whole number of at least 1, got '0'"),
        (("run", "--set", "nonsense=1"), "forebay run --settings"),
        (("run", "--model", "Res Net"), "train.model must look like resnet18"),
        (("run", "--seed", "x"), "seed"),
        (("logs", "nothing"), "nothing"),
        (("report",), "forebay run"),
    ],
)
def test_wrong_use_is_found_before_anything_runs(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    forebay = ForebayHere(tmp_path)
    done = forebay(*words, expect=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (forebay.home / "runs").exists()


def test_a_busy_port_is_named_with_the_setting_that_mends_it(tmp_path: Path, data: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ForebayHere(tmp_path)("run", "--data", data, "--port", port, expect=2)
    assert str(port) in done.stderr
    assert "--port" in done.stderr


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    program = (
        "import sys, forebay.cli\ntry:\n forebay.cli.main()\nexcept SystemExit:\n pass\nprint(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True, env=os.environ
    )
    for module in ("torch", "pyspark", "mlflow", "kserve", "kfp", "numpy", "sklearn"):
        assert f"'{module}'" not in done.stdout
