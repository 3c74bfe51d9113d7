"""`make` on a machine that lacks something says what, and what to do about it."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import lockfile
import pip_steps
import pytest

from support.paths import ROOT

SETUP = runpy.run_path(str(ROOT / ".ci" / "setup_venv.py"))
NOWHERE = "http://127.0.0.1:9/simple"  # the discard port: refused at once


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What set-up reads, in a folder whose name has a space."""
    folder = tmp_path / "my checkout"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for file in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, folder)
    return folder


def make_setup(checkout: Path, *arguments: str, python: str = sys.executable, **environment: str) -> str:
    """Run `make setup`, which must fail, and return what it says."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "TORCH_", "MAKE"))}
    command = ["make", "setup", f"PYTHON={python}", *arguments]
    done = subprocess.run(
        command, cwd=checkout, env=clean | environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 2, done.stdout
    assert not (checkout / ".venv" / "ready.json").exists()
    return done.stderr


def machine(folder: Path, change: str) -> dict[str, str]:
    """The environment of a Python that starts on another machine: `change` runs before anything else."""
    (folder / "sitecustomize.py").write_text(change)
    return {"PYTHONPATH": str(folder)}


def test_a_missing_python_is_named_with_the_packages_to_install(checkout: Path) -> None:
    says = make_setup(checkout, python="/no such/python3")
    assert "/no such/python3: not found" in says
    assert "apt-get install python3 python3-venv" in says


def test_a_python_of_another_version_is_named_with_its_version(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.2' || exit 1\n")
    old.chmod(0o755)
    says = make_setup(checkout, python=str(old))
    assert "Forebay needs Python 3.11, 3.12 or 3.13" in says
    assert f"{old}: Python 3.9.2" in says


def test_a_python_without_ensurepip_names_the_venv_package(checkout: Path, tmp_path: Path) -> None:
    says = make_setup(checkout, **machine(tmp_path, "import sys\nsys.modules['ensurepip'] = None\n"))
    assert "apt-get install python3-venv" in says
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in says


def test_a_small_disk_is_refused_before_anything_is_downloaded(checkout: Path, tmp_path: Path) -> None:
    change = "import collections, shutil\nusage = collections.namedtuple('usage', 'total used free')\n"
    change += "shutil.disk_usage = lambda path: usage(10**10, 9 * 10**9, 10**9)\n"
    says = make_setup(checkout, **machine(tmp_path, change))
    assert "1.0 GB free; the environment needs about 4 GB (9 GB with torch's CUDA build)" in says
    assert not (checkout / ".venv").exists()


def test_an_unreachable_index_names_the_settings_for_a_mirror(checkout: Path) -> None:
    says = make_setup(checkout, PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=NOWHERE, PIP_RETRIES="0")
    assert "PIP_INDEX_URL" in says
    assert "PIP_FIND_LINKS" in says
    assert str(checkout / ".venv" / "setup.log") in says


def test_a_package_with_other_bytes_than_the_lock_knows_is_not_installed(checkout: Path, tmp_path: Path) -> None:
    [pin] = [pin for pin in lockfile.read((ROOT / "constraints.txt").read_text()) if pin.name == "setuptools"]
    forged = wheel_file(tmp_path / "wheels", "setuptools", pin.version)
    says = make_setup(checkout, PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(forged.parent))
    assert "A package has other bytes than those that constraints.txt knows, and was not installed" in says
    assert list((checkout / ".venv").glob("lib/*/site-packages/forged*")) == []


def test_torch_is_taken_from_its_own_index_where_another_one_has_a_later_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one version pip takes the last local suffix: who may put that into any index that is asked would be run."""
    own, other = (package_index(tmp_path / name, suffix) for name, suffix in (("own", "+cpu"), ("other", "+zzz")))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", other)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{other} {own}")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path), "torch==2.13.0"]
    for index, taken in (("", "torch-2.13.0+zzz-py3-none-any.whl"), (own, "torch-2.13.0+cpu-py3-none-any.whl")):
        subprocess.run(command, env=pip_steps.environment(index), check=True, capture_output=True)
        assert [path.name for path in tmp_path.glob("*.whl")] == [taken]
        (tmp_path / taken).unlink()


def wheel_file(folder: Path, name: str, version: str) -> Path:
    """A wheel that installs, with a module of the name `forged`."""
    folder.mkdir(parents=True)
    path, facts = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("forged.py", "")
        wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{facts}/RECORD", "")
    return path


def package_index(folder: Path, suffix: str) -> str:
    """An index with one torch in it; returns its address."""
    file = wheel_file(folder / "torch", "torch", f"2.13.0{suffix}")
    (folder / "torch" / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>')
    return folder.as_uri()


def test_a_full_disk_during_set_up_names_the_temporary_folder() -> None:
    says = SETUP["failure"]("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n")
    assert "TMPDIR" in says


def test_set_up_repeats_only_what_changed() -> None:
    done = {"python": "3.11.2 /usr", "folder": "/home/me/forebay/.venv", "torch_index": "", "inputs": "a1"}
    needed = SETUP["needed"]
    assert needed(done, done) == "nothing"
    assert needed(done, done | {"inputs": "b2"}) == "install"
    assert needed(done, done | {"python": "3.12.1 /usr"}) == "create"
    assert needed(done, done | {"folder": "/home/me/elsewhere/.venv"}) == "create"
    assert needed(done, done | {"torch_index": "file:///wheels"}) == "create"
    assert needed({}, done) == "create"


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\S+)", text, re.MULTILINE) == phony.split()


def test_import_forebay_finds_the_package_beside_a_folder_of_that_name(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    (packages,) = tmp_path.glob("env/lib/python3*/site-packages")
    for file in Path(sysconfig.get_path("purelib")).glob("__editable__*forebay*"):
        shutil.copy(file, packages)
    beside = tmp_path / "projects"
    (beside / "forebay" / "src").mkdir(parents=True)  # a clone

    def found(name: str) -> str:
        code = f"import forebay; from importlib.util import find_spec; print(find_spec({name!r}))"
        command = [str(tmp_path / "env" / "bin" / "python"), "-c", code]
        return subprocess.run(command, cwd=beside, capture_output=True, text=True, check=True).stdout

    assert "Namespace" in found("forebay"), "by setuptools' finder alone"
    SETUP["put_on_path"](tmp_path / "env", ROOT / "src")
    assert str(ROOT / "src" / "forebay" / "__init__.py") in found("forebay")
    assert str(ROOT / "components" / "__init__.py") in found("forebay.components")
    assert str(ROOT / "pipelines" / "__init__.py") in found("forebay.pipelines")
