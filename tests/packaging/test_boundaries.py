"""What may import and hold what, beyond the import contracts that lint-imports checks."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

import pytest

from support.machine_speed import slowness
from support.paths import ROOT

HEAVY = {"kfp", "kserve", "mlflow", "pyspark", "sklearn", "timm", "torch", "torchvision"}
WIRING = {"forebay.components", "forebay.pipelines"}  # wrappers and pipelines: kfp is their language
NO_CODE = {"forebay.installation"}  # chart and manifests
CLUSTER_PROGRAMS = ("kubectl", "helm", "kind")
DECISIONS = (
    *(ast.If, ast.IfExp, ast.Match, ast.Try, ast.For, ast.AsyncFor, ast.While),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
HELP_S = 0.35
ATTEMPTS = 5  # of which the best counts; the first may find no bytecode


@pytest.mark.parametrize("path", sorted((ROOT / "components").glob("*.py")), ids=lambda path: path.stem)
def test_a_component_neither_branches_nor_loops(path: Path) -> None:
    decisions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DECISIONS)]
    assert [f"{path.name}:{node.lineno}" for node in decisions] == []


def test_importing_any_package_of_forebay_loads_no_heavy_library() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    imports = "; ".join(f"import {package}" for package in packages if package not in WIRING | NO_CODE)
    assert loaded("-c", imports) & HEAVY == set()


def test_one_module_runs_programs_against_a_cluster() -> None:
    install = ROOT / "src" / "forebay" / "install"
    runs = {path.name for path in install.rglob("*.py") if "subprocess" in path.read_text()}
    assert runs == {"programs.py", "stored_images.py"}  # the second asks docker which container images this machine has
    starts = re.compile(rf"""(run|Popen|check_call|check_output)\(\s*\[?["']({"|".join(CLUSTER_PROGRAMS)})\b""")
    elsewhere = [path for path in (ROOT / "src").rglob("*.py") if starts.search(path.read_text())]
    assert elsewhere == []


def test_files_and_functions_of_the_package_stay_small() -> None:
    files = {path: path.read_text() for path in (ROOT / "src").rglob("*.py")}
    lines = [text.count("\n") for text in files.values()]
    functions = [
        (path.name, node.name, node.end_lineno - node.lineno + 1)
        for path, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert max(lines) <= 400
    assert median(lines) <= 90
    assert [each for each in functions if each[2] > 45] == []


def test_help_loads_no_heavy_library() -> None:
    assert loaded("-m", "forebay", "--help") & HEAVY == set()


def test_help_answers_within_a_third_of_a_second() -> None:
    best = min(seconds("-m", "forebay", "--help") / slowness() for _ in range(ATTEMPTS))
    assert best < HELP_S


def loaded(*arguments: str) -> set[str]:
    """The top-level modules that a Python process with these arguments imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    trace = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in trace.splitlines() if "|" in line}


def seconds(*arguments: str) -> float:
    """The processor time of a Python process with these arguments: what it takes on an idle machine."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
