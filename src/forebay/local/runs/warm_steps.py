"""Steps as forks of one process that has imported what they need, in place of the function by which kfp starts one.

kfp starts a Python for each step, and PyTorch, MLflow and kfp itself take each of them seconds to import: more than the
steps of a small run take. Here the standard library's fork server imports them once, while ingest runs. Each step is
still a process of its own, with a memory of its own, and ends or is killed alone.
"""

import contextlib
import importlib
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

from forebay.tracking.defaults import set_mlflow_defaults

IMPORTED = (  # none of them starts a thread
    "kfp.dsl.executor_main",
    "forebay.local.backend",
    "forebay.preprocess.step",
    "forebay.train.step",
    "forebay.evaluate.step",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
)
STARTED_COLD = ("ingest",)  # it comes first, needs none of them, and what Spark imports should stay in its process
KFP_RUNTIME = "_KFP_RUNTIME"  # kfp's own: it then imports what a step needs and no more
_FUNCTION = "--function_to_execute"
_CODE_AT = 3  # in kfp's command, which is `sh -ec SCRIPT CODE ARGUMENTS…`


class WarmSteps:
    """Starts the steps of one run. The fork server starts with it, and imports while other things go on."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(IMPORTED))
        set_mlflow_defaults()  # for the server, which imports MLflow
        with _variable(KFP_RUNTIME, "true"), contextlib.suppress(OSError):
            forkserver.ensure_running()

    def run_step(self, full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int:
        """Run one step to its end, with the signature of kfp's function.

        Returns:
            The exit code, not 0 where a signal ended it.
        """
        words = list(full_command)
        if words[:2] != ["sh", "-ec"] or words[words.index(_FUNCTION) + 1] in STARTED_COLD:
            return _start_cold(full_command, env_vars)
        arguments = (words[_CODE_AT], words[_CODE_AT + 1 :], env_vars or {})
        process = self._context.Process(target=execute_step, args=arguments)
        try:
            process.start()
        except (OSError, EOFError):  # there is no server: an import ended it, or the system did
            return _start_cold(full_command, env_vars)
        process.join()
        return 1 if process.exitcode is None else process.exitcode


def _start_cold(full_command: Sequence[str], env_vars: Mapping[str, str] | None) -> int:
    """As kfp starts a step: a shell and a Python of its own."""
    environment = {**os.environ, **(env_vars or {})}
    return subprocess.run(full_command, env=environment, check=False).returncode  # noqa: S603 - the compiled file's


def execute_step(code: str, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run a step in this process, as `python -m kfp.dsl.executor_main` does.

    Args:
        code: the component's module.
        arguments: kfp's.
        variables: for the environment.
    """
    os.environ.update(variables)
    logging.getLogger().handlers.clear()  # kfp's executor sets the log up, unless an import has done so
    with tempfile.TemporaryDirectory(prefix="forebay-step-") as folder:
        module = Path(folder) / "ephemeral_component.py"
        module.write_text(code)
        sys.argv = ["executor_main", "--component_module_path", str(module), *arguments]
        importlib.import_module("kfp.dsl.executor_main").executor_main()


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
