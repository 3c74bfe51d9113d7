"""Compiles the pipeline and runs the compiled file: the one module that does either with kfp.

As a program, `python -m forebay.local.runs.kfp_local RUN_FOLDER`, it is the engine process of one run. A process of its
own keeps kfp's stream out of the command line's output and gives the run a process group that can be ended whole.
"""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from forebay.local.runs.cache import drop_broken_entries, record_digests
from forebay.local.runs.warm_steps import WarmSteps
from forebay.settings import TrainConfig
from forebay.signals import raise_on_signals, system_exit
from forebay.state import Home, RunFolder, StepLog, read_json, write_bytes, write_json
from forebay.state.supervisor_watch import end_with_supervisor

if TYPE_CHECKING:
    from forebay.local.containers.step_containers import StepContainers


def compile_pipeline(out: Path, images: Mapping[str, str] | None = None, name: str = "training") -> None:
    """Compile a pipeline; the same code gives the same bytes.

    Args:
        out: the file to write.
        images: what to call an image instead, by its name in `container_images`.
        name: one of `forebay.backend.compiled_file.PIPELINES`.
    """
    import tempfile
    from importlib import import_module

    from kfp import compiler

    pipeline = getattr(import_module(f"forebay.pipelines.{name}"), name)

    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(draft))
        text = draft.read_text()
    for image, other in (images or {}).items():
        text = text.replace(f"image: {image}\n", f"image: {other}\n")
    write_bytes(out, text.encode())


def run_compiled(
    pipeline: Path,
    parameters: dict[str, Any],
    home: Home,
    containers: "StepContainers | None" = None,
    warm: WarmSteps | None = None,
) -> dict[str, str]:
    """Run a compiled pipeline file with one local process per step, or one container where they are given.

    Args:
        pipeline: the file.
        parameters: its arguments.
        home: the state folder.
        containers: run each step, where they are given.
        warm: starts the process of each step; without it kfp does.

    Returns:
        The paths of the pipeline's own outputs by name; a training run has none.

    Raises:
        RuntimeError: a step failed; which and why stands in the events.
        ConditionError: what decides about the next steps is no word of the gate.
    """
    from kfp import components, local

    _evaluate_no_text()
    local.init(
        runner=_docker_runner(containers) if containers else _process_runner(warm),
        pipeline_root=str(home.artifacts),
        enable_caching=True,
        cache_root=str(home.cache),
    )
    task = components.load_component_from_file(str(pipeline))(**parameters)
    return {name: str(artifact.path) for name, artifact in task.outputs.items()}


def _evaluate_no_text() -> None:
    """Replace the one function of kfp that evaluates text; `forebay.local.runs.condition` says why."""
    from kfp.local.orchestrator import enhanced_dag_orchestrator

    from forebay.local.runs.condition import evaluate_condition

    enhanced_dag_orchestrator.ConditionEvaluator.evaluate_condition = staticmethod(evaluate_condition)


def _process_runner(warm: WarmSteps | None) -> Any:
    """kfp's SubprocessRunner, with `WarmSteps.run_step` to start a process; its module says why."""
    from kfp import local
    from kfp.local import subprocess_task_handler

    if warm is not None:
        subprocess_task_handler.run_local_subprocess = warm.run_step
    return local.SubprocessRunner(use_venv=False)


def _docker_runner(containers: "StepContainers") -> Any:
    """kfp's DockerRunner, with `StepContainers.run_step` to start a container; its module says why."""
    from kfp import local
    from kfp.local import docker_task_handler

    docker_task_handler.run_docker_container = containers.run_step
    return local.DockerRunner()


def _containers(plan: dict[str, Any], home: Home, run: RunFolder) -> "StepContainers | None":
    if plan["runner"] != "docker":
        return None
    from forebay.local.containers.step_containers import StepContainers

    raise_on_signals(system_exit)  # kfp starts steps in the main thread, so the exception ends the step's container
    return StepContainers(
        home=home,
        run=run,
        sources=tuple(plan["sources"]),
        gpus=str(plan["parameters"].get("train_gpus", TrainConfig.gpus)),
        fresh=plan["fresh"],
    )


def _leave_out_client() -> None:
    """Stand an empty module in for kfp's client of a server, which `import kfp` imports with all that it is made of.

    It takes as long as all else of kfp, and this process asks no server.
    """
    client = ModuleType("kfp.client")
    client.Client = None  # type: ignore[attr-defined]
    sys.modules.setdefault(client.__name__, client)


def main(run_folder: str) -> int:
    """Run what `run.json` in the folder asks for; 0 when every step succeeded."""
    end_with_supervisor()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)  # else kfp's cache hits are not logged; prune reads them
    warnings.simplefilter("ignore")  # kfp warns of every setting that only a cluster heeds
    # kfp pastes sys.executable unquoted into a shell line, where a path with a space breaks; the bare name resolves
    # through PATH, on which this interpreter's folder comes first.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    sys.executable = "python3"
    run, home = RunFolder(Path(run_folder)), Home.find()
    plan = read_json(run.plan)
    # Before kfp is imported, which takes as long as what a warm step needs.
    warm = WarmSteps() if plan["runner"] == "process" and plan.get("warm", True) else None
    _leave_out_client()
    from forebay.local.runs.condition import (
        UnknownConditionError,  # not above: the command line need not load what it loads
    )

    log = StepLog(name="engine", run_id=run.run_id, home=home, events=run.events)
    for problem in drop_broken_entries(home.cache):
        log.warn(problem)
    try:
        containers = _containers(plan, home, run)
        outputs = run_compiled(Path(plan["pipeline"]), plan["parameters"], home, containers, warm)
        if outputs:
            write_json(run.outputs, outputs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    except UnknownConditionError as error:
        log.emit("failed", seconds=0.0, error=str(error), error_type=type(error).__name__, permanent=True)
        return 1
    finally:
        with contextlib.suppress(OSError):  # a full disk: the entries do without
            record_digests(home.cache)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
