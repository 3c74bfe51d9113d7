"""What goes wrong: kills at every step, wrong use, two runs at once, a gate that says no."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import forebay as package
from forebay_cli import Forebay, cached_steps
from small_pictures import write_idx

QUICK = ("--model", "mlp", "--set", "train.epochs=12")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_idx(tmp_path / "shapes")
    return tmp_path / "shapes"


def _until(condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 120) -> None:
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


def _gone(cli: Forebay, timeout_s: float = 15) -> bool:
    end = time.monotonic() + timeout_s
    while _below(cli) and time.monotonic() < end:
        time.sleep(0.05)
    return not _below(cli)


def test_a_run_killed_in_every_step_goes_on_and_registers_once(forebay: Forebay, data: Path) -> None:
    for step in ("ingest", "preprocess", "train", "evaluate", "register", "deploy"):
        before = len(list((forebay.home / "runs").glob("*"))) if forebay.home.exists() else 0
        run = forebay.start("run", "--data", data, *QUICK)
        _until(lambda: len(list((forebay.home / "runs").glob("*"))) > before, run)  # noqa: B023
        _until(lambda: _started(forebay, step), run)  # noqa: B023
        run.kill()
        run.communicate()
        assert _gone(forebay), f"{step} outlived the killed run: {_below(forebay)}"
    summary = forebay.json("run", "--data", data, *QUICK)
    assert cached_steps(summary) == {"ingest", "preprocess", "train"}
    assert summary["model"]["version"] == "1"
    assert summary["gate"]["passed"] is True


def test_a_killed_step_is_tried_again_within_the_run(forebay: Forebay, data: Path) -> None:
    run = forebay.start("run", "--data", data, *QUICK)
    _until(lambda: _started(forebay, "preprocess"), run)
    for process in _below(forebay):
        if any("kfp.dsl.executor_main" in word for word in process.cmdline()) and process.name().startswith("python"):
            process.kill()
    _, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors
    assert sum(e["step"] == "preprocess" and e["kind"] == "started" for e in forebay.events()) == 2


def test_a_terminated_run_ends_its_steps_and_a_second_run_meanwhile_is_refused(forebay: Forebay, data: Path) -> None:
    run = forebay.start("run", "--data", data, *QUICK)
    _until(lambda: _started(forebay, "ingest"), run)
    refused = forebay("run", "--data", data, expect=2)
    assert f"process {run.pid}" in refused.stderr
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)
    assert run.returncode not in (0, 2, 3)
    assert _gone(forebay)


def test_a_refused_model_leaves_the_champion_at_its_url(forebay: Forebay, data: Path) -> None:
    champion = forebay.json("run", "--data", data, *QUICK)
    summary = forebay.json("run", "--data", data, *QUICK, "--seed", 1, "--set", "evaluate.min_accuracy=1", "--set",
                           "train.learning_rate=0.000001", expect=3)  # fmt: skip
    assert summary["gate"]["passed"] is False
    assert "evaluate.min_accuracy" in summary["gate"]["reason"] or "minimum" in summary["gate"]["reason"]
    assert summary["url"] == champion["url"]
    assert forebay.json("status")["server"]["models"]["shapes"]["version"] == champion["model"]["version"]


def test_a_deleted_artifact_and_edited_code_each_miss_the_cache(forebay: Forebay, data: Path, tmp_path: Path) -> None:
    first = forebay.json("run", "--data", data, *QUICK)
    bundle = next((forebay.home / "artifacts").rglob("weights.safetensors"))
    bundle.unlink()
    again = forebay.json("run", "--data", data, *QUICK)
    assert cached_steps(again) == {"ingest", "preprocess"}
    assert again["model"] == first["model"], "the same weights reuse their version"

    copy = tmp_path / "edited"
    source = Path(package.__file__).parent
    shutil.copytree(source, copy / "forebay")
    for mapped in ("components", "pipelines"):
        if not (source / mapped).exists():
            shutil.copytree(source.parents[1] / mapped, copy / "forebay" / mapped)
    forebay.environment["PYTHONPATH"] = str(copy)
    copied = forebay.json("run", "--data", data, *QUICK)
    assert cached_steps(copied) == {"ingest", "preprocess", "train"}, "the same code in a wheel's layout is the same"
    with (copy / "forebay" / "train" / "__init__.py").open("a") as file:
        file.write("\n# edited\n")
    edited = forebay.json("run", "--data", data, *QUICK)
    assert cached_steps(edited) == set()


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
def test_wrong_use_is_found_before_anything_runs(forebay: Forebay, words: tuple[str, ...], message: str) -> None:
    done = forebay(*words, expect=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (forebay.home / "runs").exists()


def test_a_busy_port_is_named_with_the_setting_that_mends_it(forebay: Forebay, data: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = forebay("run", "--data", data, "--port", port, expect=2)
    assert str(port) in done.stderr
    assert "--port" in done.stderr


def test_the_pipeline_runs_from_a_folder_with_a_space_in_its_name(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    cli = Forebay(folder)
    try:
        assert cli.json("run", "--data", data, *QUICK)["state"] == "done"
    finally:
        cli("stop")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    program = (
        "import sys, forebay.cli\ntry:\n forebay.cli.main()\nexcept SystemExit:\n pass\nprint(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True, env=os.environ
    )
    for module in ("torch", "pyspark", "mlflow", "kserve", "kfp", "numpy", "sklearn"):
        assert f"'{module}'" not in done.stdout
