"""`forebay` as a person uses it: real processes, real state folders."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
            self.command(*words), cwd=self.folder, env=self.variables(), capture_output=True, text=True, timeout=300
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


def cached_steps(summary: dict[str, Any]) -> set[str]:
    """Names of the steps that were cache hits."""
    return {step["name"] for step in summary["steps"] if step["cached"]}
