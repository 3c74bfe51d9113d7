"""pyproject.toml, constraints.txt and what is installed say the same."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = [
    line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")
]


def normal(pin: str) -> str:
    """A pin with its name as package indexes compare names, without extras."""
    name, version = pin.split("==")
    return f"{re.sub(r'[-_.]+', '-', name.partition('[')[0]).lower()}=={version}"


def test_every_constraint_is_one_exact_version() -> None:
    assert [line for line in CONSTRAINTS if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []


def test_no_package_is_constrained_twice() -> None:
    names = [line.split("==")[0] for line in CONSTRAINTS]
    assert sorted(set(names)) == sorted(names)


def test_what_pyproject_pins_is_what_the_constraints_hold() -> None:
    project = PROJECT["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["dev"], *PROJECT["build-system"]["requires"]]
    assert {normal(pin) for pin in pins} - set(CONSTRAINTS) == set()


def test_the_installed_packages_agree_with_each_other() -> None:
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.stdout == "No broken requirements found.\n"


def test_the_installed_versions_are_the_constrained_ones() -> None:
    from importlib.metadata import distributions

    versions = {normal(f"{found.name}=={found.version}") for found in distributions()}
    installed = {pin.split("+")[0] for pin in versions}  # torch's build: 2.13.0+cpu is 2.13.0
    constrained = {line.split("==")[0]: line for line in CONSTRAINTS}
    wrong = {pin for pin in installed if constrained.get(pin.split("==")[0], pin) != pin}
    assert wrong == set()
