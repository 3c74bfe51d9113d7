"""Run the tests that a change touches, the nearest first, for at most two minutes; `make test-quick` runs this.

The change is what git sees: the commits since the branch left main, and what is not committed yet; on main with nothing
to commit, the last commit. A file is touched when it imports a changed one, names it in a string (`python -m`, a file
that is read), or stands under its conftest.py, and so does whatever imports that file in turn. Standard library only;
nothing is remembered between two runs, so a fresh clone is no different.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"src/forebay": "forebay", "components": "forebay.components", "pipelines": "forebay.pipelines", "tests": ""}
MODULE = re.compile(r"\bforebay(?:\.\w+)*")
START_S = 75  # no test begins later, so that all end within two minutes
MAIN = ("origin/main", "main", "origin/master", "master")


@dataclass(frozen=True)
class Checkout:
    """The files of a working tree, and which of them uses which; paths are relative to its root."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Python files by the name under which they are imported; tests have theirs from the folder `tests`."""
        found = {}
        for folder, package in PACKAGES.items():
            for path in sorted((self.root / folder).rglob("*.py")):
                parts = [package, *path.relative_to(self.root / folder).with_suffix("").parts]
                name = ".".join(part for part in parts if part and part != "__init__")
                found[name] = path.relative_to(self.root)
        return found

    @cached_property
    def trees(self) -> dict[Path, ast.Module]:
        """The parsed Python files."""
        return {path: ast.parse((self.root / path).read_bytes()) for path in self.modules.values()}

    @cached_property
    def texts(self) -> dict[Path, set[str]]:
        """The strings in every Python file."""
        return {path: set(_strings(tree)) for path, tree in self.trees.items()}

    def uses(self, path: Path) -> set[Path]:
        """The Python files that a Python file uses directly."""
        names = {*_imported(self.trees[path]), *self._named(path)}
        found = {file for name in names for file in self._files_of(name)}
        neighbours = {text.rpartition("/")[2] for text in self.texts[path] if text.endswith(".py")}
        found |= {path.parent / name for name in neighbours} & self.trees.keys()
        if path.parts[0] == "tests":
            found |= {folder / "conftest.py" for folder in path.parents} & self.trees.keys()
        return found - {path}

    def _named(self, path: Path) -> Iterator[str]:
        """Modules whose names stand in strings, and what `python -m` runs of them."""
        for text in self.texts[path]:
            yield from MODULE.findall(text)
        yield from (f"{name}.__main__" for name in _run(self.trees[path]))

    def _files_of(self, name: str) -> Iterator[Path]:
        """The file of a module, or of the module that holds a name, and of the packages around it."""
        while name:
            if name in self.modules:
                yield self.modules[name]
            name = name.rpartition(".")[0]

    @cached_property
    def users(self) -> dict[Path, set[Path]]:
        """By file, the Python files that use it directly."""
        found: dict[Path, set[Path]] = {}
        for path in self.trees:
            for used in self.uses(path):
                found.setdefault(used, set()).add(path)
        return found

    def readers(self, changed: Path) -> set[Path]:
        """The Python files that use a file which is no module: they name it, or the top folder in which it lies."""
        here = {path for path in self.trees if changed.parts[:2] == path.parts[:2] and len(changed.parts) > 2}
        if changed.parts[0] == "tests":
            return here
        names = {changed.name, changed.parts[0]}
        return {path for path, texts in self.texts.items() if names & {part for t in texts for part in t.split("/")}}

    def touched(self, changed: set[Path]) -> dict[Path, int]:
        """Test files by their steps from the nearest change: the nearest first, and of these the change's area."""
        modules = set(self.trees)
        steps = dict.fromkeys(sorted(changed & modules), 0)
        for path in changed - modules:
            steps |= dict.fromkeys(self.readers(path) - steps.keys(), 1)
        for away in count():
            near = [path for path, at in steps.items() if at == away]
            if not near and away > 1:
                break
            reached = {user for path in near for user in self.users.get(path, ())}
            steps |= dict.fromkeys(reached - steps.keys(), away + 1)
        tests = {path: away for path, away in steps.items() if path.parts[0] == "tests" and path.match("test_*.py")}
        areas = {part for path in changed for part in path.parts}  # tests/ingest is the one of src/forebay/ingest
        return dict(sorted(tests.items(), key=lambda each: (each[1], each[0].parts[1] not in areas, each[0])))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:  # the project has no relative imports
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _run(tree: ast.Module) -> Iterator[str]:
    """Modules after a "-m" among the words of a command or the arguments of a call."""
    for node in ast.walk(tree):
        words = getattr(node, "elts", None) or getattr(node, "args", None)
        values = [getattr(word, "value", None) for word in words] if isinstance(words, list) else []
        yield from (str(name) for flag, name in pairwise(values) if flag == "-m")


def _strings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def git(*words: str, root: Path = ROOT) -> list[str]:
    """The lines that git answers; none when it refuses."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.splitlines() if done.returncode == 0 else []


def changes(root: Path = ROOT) -> tuple[str, set[Path]]:
    """The revision to compare with, and the files that differ: in commits, in the working tree, and unknown to git."""
    (head,) = git("rev-parse", "HEAD", root=root) or [""]
    bases = [found[0] for name in MAIN if (found := git("merge-base", "HEAD", name, root=root))]
    base = bases[0] if bases else head
    files = _differing(base, root)
    if not files and base == head:
        base = "HEAD~1"
        files = _differing(base, root)
    return base, files


def _differing(base: str, root: Path) -> set[Path]:
    tracked = git("diff", "--name-only", "--no-renames", base, root=root)
    return {Path(name) for name in (*tracked, *git("ls-files", "--others", "--exclude-standard", root=root))}


def main(arguments: list[str]) -> int:
    """Say what is run and why, and become pytest."""
    base, changed = changes()
    tests = [str(path) for path in Checkout(ROOT).touched(changed)]
    print(f"{len(changed)} files changed since {base[:12]}; they touch {len(tests)} files of tests.", flush=True)
    if not tests:
        return 0
    # Two processes as in `make test`; the files keep their order, so what is left out at the end is what lies farthest.
    options = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", f"--start-within={START_S}", *arguments]
    pytest = str(Path(sys.executable).with_name("pytest"))
    os.chdir(ROOT)
    os.execv(pytest, [pytest, *options, *tests])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
