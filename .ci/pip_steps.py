"""What set-up has pip do, in which order, and how far it is; `.ci/setup_venv.py` calls it.

Everything but torch and torchvision is checked against the hashes of constraints.txt, which pip does only where no
requirement is a folder and none lacks a hash: so the project and torch have steps of their own. Nothing is resolved,
since the lock is the whole environment, and nothing is built with packages whose hashes were not checked.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import lockfile

PLAIN_OUTPUT_S = 15  # where the output is not a terminal, a progress line at most this often

# What of the lock torch asks for: a build for CUDA names NVIDIA's packages, one for the processor none.
_ASKED = """
from importlib.metadata import requires
from packaging.requirements import Requirement
found = [Requirement(line) for line in requires("torch") or ()]
print(*(each.name for each in found if each.marker is None or each.marker.evaluate({"extra": ""})))
"""


@dataclass
class Pip:
    """pip in one environment, which says on the way how far it is.

    Args:
        python: the environment's interpreter.
        root: the checkout, from which the project is installed.
        output: takes what pip writes.
        total: packages that are to be installed, for the progress line.
    """

    python: Path
    root: Path
    output: TextIO
    total: int
    _start: float = field(default_factory=time.monotonic)
    _shown: float = field(default_factory=time.monotonic)
    _packages: int = 0
    _doing: str = "starting pip"
    _read: int = 0  # characters of `output` that were looked at

    def run(self, *words: str, index: str = "") -> bool:
        """Run one command of pip; whether it succeeded.

        Args:
            words: of the command.
            index: a package index to ask in place of all that pip is configured for.
        """
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *words]
        process = subprocess.Popen(  # noqa: S603 our own words
            command, cwd=self.root, env=environment(index), stdout=self.output, stderr=subprocess.STDOUT
        )
        try:
            with Path(self.output.name).open() as lines:
                lines.seek(self._read)
                return self._follow(process, lines) == 0
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise

    def _follow(self, process: "subprocess.Popen[bytes]", lines: TextIO) -> int:
        """Show how far pip is until it ends: one moving line on a terminal, a line now and then elsewhere."""
        while True:
            code = wait(process)
            for line in iter(lines.readline, ""):
                self._packages += line.startswith(("Collecting ", "Processing /"))
                self._doing = step_of(line) or self._doing
            self._read = lines.tell()
            self._show(last=False)
            if code is not None:
                return code

    def _show(self, *, last: bool) -> None:
        now, moving = time.monotonic(), sys.stdout.isatty()
        if not (moving or last or now - self._shown >= PLAIN_OUTPUT_S):
            return
        self._shown = now
        done = min(self._packages, self.total)
        text = f"[{now - self._start:4.0f} s] {done} of at most {self.total} packages: {self._doing}"
        if moving:
            print("\r\033[K" + text[: shutil.get_terminal_size().columns - 1], end="\n" if last else "", flush=True)
        else:
            print(text, flush=True)

    def end(self) -> None:
        """Show the last line."""
        self._show(last=True)


def install(python: Path, root: Path, log: Path, torch_index: str) -> bool:
    """Install what the lock holds for this machine, and the project; whether all of it succeeded.

    Args:
        python: the environment's interpreter.
        root: the checkout.
        log: takes what pip writes.
        torch_index: the index of torch and torchvision; empty for the one that pip is configured for.
    """
    pins = lockfile.read((root / "constraints.txt").read_text())
    with log.open("w") as output:
        pip = Pip(python=python, root=root, output=output, total=sum(pin.group != "images" for pin in pins))
        try:
            return all(pip.run(*words, index=index) for words, index in _steps(python, pins, log, torch_index))
        finally:
            pip.end()


def _steps(python: Path, pins: list[lockfile.Pin], log: Path, torch_index: str) -> Iterator[tuple[list[str], str]]:
    """pip's commands, each made when the one before has succeeded, and the index of one that has its own."""
    quick = ["install", "--progress-bar", "off", "--no-deps"]
    built = [*quick, "--no-build-isolation"]  # with the setuptools of the lock
    cuda = lockfile.of_group(pins, "cuda")
    yield [*quick, *_locked(pins, ["setuptools"], log)], ""
    yield [*built, *_locked(pins, lockfile.of_group(pins, "environment", "source"), log)], ""
    yield [*quick, *(pin.requirement for pin in pins if pin.group == "unhashed")], torch_index
    asked = subprocess.run([str(python), "-c", _ASKED], capture_output=True, text=True, check=True)  # noqa: S603
    if {lockfile.normal(name) for name in asked.stdout.split()} & set(cuda):
        yield [*built, *_locked(pins, cuda, log)], ""
    yield [*built, "--editable", "."], ""
    yield ["check"], ""


def _locked(pins: list[lockfile.Pin], names: list[str], log: Path) -> list[str]:
    file = log.with_name("locked.txt")
    file.write_text(lockfile.hashed(pins, names))
    return ["--require-hashes", "--requirement", str(file)]


def environment(index: str) -> dict[str, str]:
    """What pip is started with, to ask one index in place of all that it is configured for; empty for these.

    The second variable displaces a configured extra index: a name that two of them hold would come from either.
    """
    return os.environ | ({"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": index} if index else {})


def wait(process: "subprocess.Popen[bytes]") -> "int | None":
    """Return the exit code, or None when the process still runs after a second."""
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def step_of(line: str) -> str:
    """Return what pip's line says it does, in a few words; empty for a line that says nothing of it."""
    words = line.split()
    if words[:2] == ["Installing", "collected"]:
        return "unpacking all of them (a minute or two)"
    if words[:2] == ["Successfully", "installed"]:
        return "done"
    if len(words) > 1 and words[0] in ("Collecting", "Downloading", "Processing"):
        size = " ".join(words[2:4]) if words[0] == "Downloading" else ""
        return f"{words[0].lower()} {words[1].rsplit('/', 1)[-1]} {size}".strip()
    return ""
