"""pyproject.toml, constraints.txt and what is installed say the same."""

import subprocess
import sys
import tomllib
from importlib.metadata import distributions

import lockfile
from closure import closure

from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = lockfile.read((ROOT / "constraints.txt").read_text())
PINS = {pin.requirement for pin in LOCK}


def normal(pin: str) -> str:
    """A pin with its name as package indexes compare names, without extras."""
    name, version = pin.split("==")
    return f"{lockfile.normal(name.partition('[')[0])}=={version}"


def test_every_package_but_torch_and_torchvision_has_the_hashes_of_its_files() -> None:
    assert {pin.name for pin in LOCK if not pin.hashes} == {"torch", "torchvision"}
    assert {pin.name for pin in LOCK if pin.group == "unhashed"} == {"torch", "torchvision"}


def test_no_package_is_constrained_twice() -> None:
    assert len({pin.name for pin in LOCK}) == len(LOCK)


def test_what_pyproject_pins_is_what_the_constraints_hold() -> None:
    project = PROJECT["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["dev"], *PROJECT["build-system"]["requires"]]
    assert {normal(pin) for pin in pins} - PINS == set()


def test_set_up_installs_what_the_project_and_its_tools_need_and_no_more() -> None:
    """Nothing is resolved when it installs, so a package that the lock lacks would be missing here."""
    needed = closure(["forebay[dev]"]).keys() - {"forebay", "pip"}  # the second comes with every environment
    cuda = set(lockfile.of_group(LOCK, "cuda"))
    assert needed - cuda == set(lockfile.of_group(LOCK, "environment", "source", "unhashed"))


def test_the_installed_packages_agree_with_each_other() -> None:
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.stdout == "No broken requirements found.\n"


def test_the_installed_versions_are_the_constrained_ones() -> None:
    versions = {normal(f"{found.name}=={found.version}") for found in distributions()}
    installed = {pin.split("+")[0] for pin in versions}  # torch's build: 2.13.0+cpu is 2.13.0
    constrained = {pin.name: pin.requirement for pin in LOCK}
    wrong = {pin for pin in installed if constrained.get(pin.split("==")[0], pin) != pin}
    assert wrong == set()
