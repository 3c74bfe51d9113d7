"""Fetch every package of the images into a folder, for a build without an index; `make wheels` runs this.

    python .ci/fetch_wheels.py FOLDER [TORCH_INDEX]

The packages are those that the images' requirements need here, and each file is checked against its hash in the lock.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import lockfile
from closure import closure
from pip_steps import environment

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "docker" / "requirements"


def main(folder: str, torch_index: str = "") -> int:
    """Fill the folder; returns pip's exit code."""
    pins = lockfile.read(lockfile.FILE.read_text())
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _forget_others(target, pins)
    code = _download(target, *(pin.requirement for pin in pins if pin.group == "unhashed"), index=torch_index)
    if code:
        return code
    file = target / "locked.txt"
    file.write_text(lockfile.hashed(pins, _wanted(pins)))
    code = _download(target, "--no-build-isolation", "--require-hashes", "--requirement", str(file))
    file.unlink()
    return code


def _wanted(pins: list[lockfile.Pin]) -> set[str]:
    here = set(lockfile.of_group(pins, "environment", "source", "unhashed", "cuda"))
    lines = {line for path in REQUIREMENTS.glob("*.txt") for line in path.read_text().splitlines()}
    needed = closure(lines & here)
    return needed.keys() - set(lockfile.of_group(pins, "unhashed")) | {"setuptools", *lockfile.of_group(pins, "images")}


def _forget_others(folder: Path, pins: list[lockfile.Pin]) -> None:
    """Remove files of an earlier lock: pip would take one of the same version and refuse its hash."""
    known = {each for pin in pins for each in pin.hashes}
    for file in folder.iterdir():
        if not file.name.startswith(("torch-", "torchvision-")) and _digest(file) not in known:
            file.unlink()


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _download(folder: Path, *words: str, index: str = "") -> int:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    return subprocess.call([*pip, "--dest", str(folder), *words], env=environment(index))  # noqa: S603 our own words


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
