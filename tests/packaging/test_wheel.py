"""The wheel holds the package and nothing else, wherever its folders lie in the checkout."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from forebay.version import source_digest
from support.paths import ROOT

FOLDERS = {"src/forebay": "forebay", "components": "forebay/components", "pipelines": "forebay/pipelines"}
INSTALLED_FROM = [folder for folder in ("helm", "manifests") if (ROOT / folder).is_dir()]  # what `forebay up` takes
CARRIER = "forebay.installation"  # a package without code
NOT_SHIPPED = {"__pycache__", ".mypy_cache"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from a copy of the sources, without network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    for folder in (*FOLDERS, *INSTALLED_FROM):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """The names in it."""
    return zipfile.ZipFile(wheel).namelist()


def shipped(folder: str, package: str) -> set[str]:
    """Every file of a source folder under the name that it has in the wheel."""
    files = [path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {f"{package}/{path.as_posix()}" for path in files if not NOT_SHIPPED & set(path.parts)}


def test_the_wheel_puts_one_package_into_site_packages(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"forebay"}


def test_the_wheel_holds_every_file_of_the_sources_and_no_other(names: list[str]) -> None:
    carried = {folder: f"forebay/installation/{folder}" for folder in INSTALLED_FROM}
    sources = set().union(*(shipped(folder, package) for folder, package in (FOLDERS | carried).items()))
    assert {name for name in names if name.startswith("forebay/")} == sources


def test_the_wheel_holds_the_compiled_pipeline_and_the_type_marker(names: list[str]) -> None:
    assert {"forebay/pipelines/compiled/training.yaml", "forebay/py.typed"} <= set(names)


def test_the_same_code_has_the_same_version_in_a_wheel_and_in_a_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)  # built by the fixture from this checkout; zipfile keeps members below the folder
    assert source_digest(tmp_path / "forebay") == source_digest(ROOT / "src" / "forebay")
    with (tmp_path / "forebay" / "components" / "train.py").open("a") as file:
        file.write("# edited\n")
    assert source_digest(tmp_path / "forebay") != source_digest(ROOT / "src" / "forebay")


def test_pyproject_lists_every_package_folder() -> None:
    found = {
        ".".join(Path(package, path.parent.relative_to(ROOT / folder)).parts)
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted([*found, CARRIER])


def test_the_installed_wheel_finds_the_chart_in_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)  # as above: our own wheel
    ask = "from forebay.install.charts import sources; print(sources.installation_root())"
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "forebay" / "installation")
