"""Write the hashes of constraints.txt anew, from the index that pip is configured for; `make lock` runs this.

The pins stay as they are: change a version in the file first. Where the index has added or changed a file of a locked
version, this names it, because the hashes exist to notice exactly that.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import lockfile
import requests
from lockfile import Pin
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

JSON = "application/vnd.pypi.simple.v1+json"
DEFAULT = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
TIMEOUT_S = 60
AT_ONCE = 4


def main() -> int:
    """Rewrite the lock; returns the exit code."""
    text = lockfile.FILE.read_text()
    pins = [pin for pin in lockfile.read(text) if pin.group != "unhashed"]
    index, session = _index(), requests.Session()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda pin: _hashes(session, index, pin), pins))
    renewed = {pin.name: hashes for pin, hashes in zip(pins, found, strict=True)}
    for pin in pins:
        if pin.hashes and set(pin.hashes) - set(renewed[pin.name]):
            print(f"{pin.requirement}: a file that the lock knew is gone from the index, or has other bytes now")
        elif pin.hashes and set(renewed[pin.name]) - set(pin.hashes):
            print(f"{pin.requirement}: the index has more files than before")
    lockfile.FILE.write_text("\n".join(_lines(text, renewed)) + "\n")
    return 0


def _index() -> str:
    """The index that pip asks, without a slash at its end."""
    asked = [sys.executable, "-m", "pip", "config", "get"]
    for name in (":env:.index-url", "install.index-url", "global.index-url"):
        found = _said([*asked, name])
        if found:
            return found.rstrip("/")
    return _said([sys.executable, "-c", DEFAULT])


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 our own words


def _hashes(session: requests.Session, index: str, pin: Pin) -> tuple[str, ...]:
    answer = session.get(f"{index}/{pin.name}/", headers={"Accept": JSON}, timeout=TIMEOUT_S)
    answer.raise_for_status()
    if JSON not in answer.headers.get("Content-Type", ""):
        raise SystemExit("The index that pip is configured for has no JSON interface (PEP 691). Name one that has it.")
    files = [each for each in answer.json()["files"] if _version(each["filename"]) == Version(pin.version)]
    hashes = sorted(f"sha256:{each['hashes']['sha256']}" for each in files if "sha256" in each["hashes"])
    if not hashes:
        raise SystemExit(f"{pin.requirement}: the index has no file of it with a hash")
    return tuple(hashes)


def _version(file: str) -> Version | None:
    try:
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None  # an egg or an installer of long ago


def _lines(text: str, renewed: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The lock's lines with other hashes; comments and the order of pins stay."""
    for line in text.splitlines():
        if line.startswith("    --hash"):
            continue
        [*pins] = lockfile.read(line.removesuffix("\\"))
        for pin in pins:
            yield Pin(name=pin.name, version=pin.version, hashes=renewed.get(pin.name, ()), group=pin.group).lines
        if not pins:
            yield line


if __name__ == "__main__":
    raise SystemExit(main())
