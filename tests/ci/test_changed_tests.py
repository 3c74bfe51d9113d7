"""`make test-quick` runs what a change touches, the nearest first, and ends."""

import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT

SCRIPT = runpy.run_path(str(ROOT / ".ci" / "changed_tests.py"))
FILES = {
    "src/forebay/__init__.py": "",
    "src/forebay/__main__.py": "from forebay.cli import main",
    "src/forebay/cli.py": "COMMANDS = {'train': 'forebay.train'}",
    "src/forebay/errors.py": "",
    "src/forebay/train/__init__.py": "from forebay.train.fit import fit",
    "src/forebay/train/fit.py": "def fit():\n    from forebay.errors import TrainError",
    "components/train.py": "",
    "tests/conftest.py": "",
    "tests/command.py": "import sys\nCOMMAND = [sys.executable, '-m', 'forebay', 'train']",
    "tests/cli/test_train.py": "from command import COMMAND",
    "tests/train/conftest.py": "",
    "tests/train/child.py": "",
    "tests/train/test_fit.py": "from forebay.train import fit",
    "tests/train/test_killed.py": "from pathlib import Path\nCHILD = Path(__file__).parent / 'child.py'",
    "tests/train/test_component.py": "import forebay.components.train",
    "tests/helm/test_chart.py": "CHART = 'helm/forebay'",
    "tests/helm/golden/all.yaml": "",
    "helm/forebay/values.yaml": "",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ("src/forebay/errors.py", {"train/test_fit.py": 2, "cli/test_train.py": 6}),  # the command by `-m` and by name
        ("src/forebay/train/fit.py", {"train/test_fit.py": 1, "cli/test_train.py": 5}),
        ("components/train.py", {"train/test_component.py": 1}),
        ("tests/train/child.py", {"train/test_killed.py": 1}),
        ("tests/train/test_fit.py", {"train/test_fit.py": 0}),
        ("tests/train/conftest.py", {f"train/test_{name}.py": 1 for name in ("component", "fit", "killed")}),
        ("helm/forebay/values.yaml", {"helm/test_chart.py": 1}),
        ("tests/helm/golden/all.yaml", {"helm/test_chart.py": 1}),
        ("docs/nobody-reads-it.md", {}),
    ],
)  # fmt: skip
def test_a_change_touches_what_imports_it_runs_it_or_reads_it(
    tree: Path, changed: str, touched: dict[str, int]
) -> None:
    found = SCRIPT["Checkout"](tree).touched({Path(changed)})
    assert {str(path.relative_to("tests")): steps for path, steps in found.items()} == touched
    assert list(found.values()) == sorted(found.values())


def test_among_the_nearest_the_area_of_the_change_comes_first(tree: Path) -> None:
    found = list(SCRIPT["Checkout"](tree).touched({Path("tests/conftest.py"), Path("src/forebay/train/fit.py")}))
    assert [path.parts[1] for path in found] == ["train", "train", "train", "cli", "helm"]


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_a_change_is_what_the_branch_and_the_working_tree_have_beyond_main(tmp_path: Path) -> None:
    def changed() -> set[str]:
        return {str(path) for path in SCRIPT["changes"](tmp_path)[1]}

    git(tmp_path, "init")
    for name in ("first", "second"):
        (tmp_path / name).write_text("")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", name)
    assert changed() == {"second"}, "on main with nothing to commit: the last commit"
    git(tmp_path, "checkout", "-b", "branch")
    (tmp_path / "third").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "third")
    (tmp_path / "first").write_text("edited")
    (tmp_path / "unknown to git").write_text("")
    assert changed() == {"first", "third", "unknown to git"}


def test_every_test_of_this_project_is_reached_from_the_code_or_the_files_that_it_looks_at() -> None:
    checkout: Any = SCRIPT["Checkout"](ROOT)
    everything = {path for path in checkout.trees if path.parts[0] != "tests"}
    everything |= {path.relative_to(ROOT) for path in ROOT.iterdir() if path.is_file()} | {Path("docker/Dockerfile")}
    reached = checkout.touched(everything)
    tests = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    assert tests - reached.keys() == set()
