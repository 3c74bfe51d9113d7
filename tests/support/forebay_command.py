"""`forebay` as a person uses it: real processes, real state folders; or here, where the process is not the claim."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.manual_clock import ManualClock


@dataclass
class Forebay:
    """`forebay` in one state folder and one working folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / ".forebay"

    def command(self, *words: object) -> list[str]:
        """The command line as a list."""
        return [sys.executable, "-m", "forebay", *map(str, words)]

    def variables(self) -> dict[str, str]:
        """The environment: port 0 so that test servers never meet."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("FOREBAY_", "AWS_"))}
        return {**inherited, "FOREBAY_HOME": str(self.home), "FOREBAY_PORT": "0", **self.environment}

    def __call__(self, *words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.variables(), capture_output=True, text=True, timeout=2400
        )
        assert done.returncode == expect, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: object, expect: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and return its one object."""
        value: dict[str, Any] = json.loads(self(*words, "--json", expect=expect).stdout)
        return value

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command and return while it runs."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def events(self) -> list[dict[str, Any]]:
        """The events of the newest run."""
        runs = sorted((self.home / "runs").iterdir()) if (self.home / "runs").is_dir() else []
        path = runs[-1] / "events.jsonl" if runs else None
        if path is None or not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


@dataclass
class ForebayHere(Forebay):
    """The same, with commands that end run in this process: what they import is there already.

    For tests of what a command says and does. What it loads, how it is started and ended, and what it leaves behind in
    its process is for `Forebay`; so is a command that is started and watched.

    Attributes:
        clock: measures how long a command waits for a server that is away; nothing really waits.
    """

    clock: ManualClock = field(default_factory=ManualClock)

    def __call__(self, *words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code; a fault that no command explains is raised."""
        from click.testing import CliRunner

        from forebay.cli.main import group

        arguments = [str(word) for word in words]
        with self._inside():
            ended = CliRunner().invoke(group, arguments, prog_name="forebay", obj=self.clock.timeouts)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        said = f"{words} ended with {ended.exit_code}\n{ended.stdout}\n{ended.stderr}"
        assert ended.exit_code == expect, said
        return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """The folder and the environment of the command; afterwards all is as it was."""
        environment = dict(os.environ)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        variables = self.variables()
        with contextlib.chdir(self.folder), warnings.catch_warnings(), _kubeconfig(variables.get("KUBECONFIG")):
            try:
                os.environ.clear()
                os.environ.update(variables)
                yield
            finally:
                os.environ.clear()
                os.environ.update(environment)
                for number, handler in handlers.items():
                    signal.signal(number, handler)


@contextlib.contextmanager
def _kubeconfig(path: str | None) -> Iterator[None]:
    """The client looks for the variable when it is imported, which a process of its own does anew."""
    if path is None:
        yield
        return
    from kubernetes.config import kube_config

    before = kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = path
    try:
        yield
    finally:
        kube_config.KUBE_CONFIG_DEFAULT_LOCATION = before


def cached_steps(summary: dict[str, Any]) -> set[str]:
    """Names of the steps that were cache hits."""
    return {step["name"] for step in summary["steps"] if step["cached"]}
