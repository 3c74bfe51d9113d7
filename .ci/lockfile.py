"""constraints.txt as data: the one lock, whose lines are pip's own (`name==version`, then one `--hash` per file).

A hash in any file switches pip to its hash-checking mode for all that it installs, also where the file is given with
`-c`, and then neither the project itself (a folder has no hash) nor a torch that was built elsewhere can be installed.
So nothing gives the lock to pip as it is: set-up and images hand it what this module prints. Standard library only,
because it runs before anything is installed.

    python lockfile.py bare              the pins without hashes, as constraints for pip's resolver
    python lockfile.py hashed NAME ...   these pins with their hashes, for `pip install --require-hashes --no-deps -r`
    python lockfile.py report FILE       the same for what `pip install --dry-run --report FILE` chose, without
    python lockfile.py built FILE        those of them that exist as source only, and that somebody has built already
    python lockfile.py pins GROUP        the pins of a group of the lock, on one line
"""

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "constraints.txt"
_PIN = re.compile(r"([a-z0-9][a-z0-9-]*)==([0-9][0-9a-z.]*)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_GROUPS = {  # by the comment above them
    "source": "# Only as source",
    "unhashed": "# Without hashes",
    "images": "# Only images",
    "cuda": "# Only torch's CUDA build",
}


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of the lock."""

    name: str  # as indexes compare names
    version: str
    hashes: tuple[str, ...]  # "sha256:…", one per file of this version; empty in the group "unhashed"
    group: str  # "environment", or one of the names above

    @property
    def requirement(self) -> str:
        """The pin as pip reads it."""
        return f"{self.name}=={self.version}"

    @property
    def lines(self) -> str:
        """The pin and its hashes as pip reads them."""
        return " \\\n    ".join([self.requirement, *(f"--hash={each}" for each in self.hashes)])


def read(text: str) -> list[Pin]:
    """Read a lock.

    Raises:
        ValueError: a line is no comment and no exact pin with hashes.
    """
    pins, group = [], "environment"
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("#"):
            group = next((name for name, start in _GROUPS.items() if line.startswith(start)), group)
            continue
        words = line.split()
        if not words:
            continue
        pin, hashes = _PIN.fullmatch(words[0]), [_HASH.fullmatch(word) for word in words[1:]]
        if pin is None or None in hashes:
            raise ValueError(f"constraints.txt: {line[:80]!r} is no `name==version` with `--hash=sha256:…`")
        pins.append(Pin(name=pin[1], version=pin[2], hashes=tuple(h[1] for h in hashes if h), group=group))
    return pins


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hashed(pins: Iterable[Pin], names: Iterable[str]) -> str:
    """Requirements with hashes, for pip's `--require-hashes --no-deps -r`.

    Raises:
        ValueError: the lock has no such package, or no hash of it.
    """
    hashes = {pin.name: pin for pin in pins if pin.hashes}
    wanted = sorted({normal(name) for name in names})
    unknown = [name for name in wanted if name not in hashes]
    if unknown:
        raise ValueError(
            f"constraints.txt has no {', '.join(unknown)} with a hash: see CONTRIBUTING.md, 'Changing a dependency'"
        )
    return "".join(f"{hashes[name].lines}\n" for name in wanted)


def of_group(pins: Iterable[Pin], *groups: str) -> list[str]:
    """The names of the pins in some groups."""
    return [pin.name for pin in pins if pin.group in groups]


def _chosen(report: str) -> list[str]:
    """What pip would install now, from a dry run's report."""
    return [normal(each["metadata"]["name"]) for each in json.loads(Path(report).read_text())["install"]]


def main(words: list[str]) -> str:
    """What a command prints."""
    pins = read(FILE.read_text())
    match words:
        case ["bare"]:
            return "".join(f"{pin.requirement}\n" for pin in pins)
        case ["pins", group]:
            return " ".join(pin.requirement for pin in pins if pin.group == group) + "\n"
        case ["hashed", *names]:
            return hashed(pins, names)
        case ["report", file]:
            return hashed(pins, set(_chosen(file)) - set(of_group(pins, "source")))
        case ["built", file]:
            built = set(_chosen(file)) & set(of_group(pins, "source"))
            return " ".join(pin.requirement for pin in pins if pin.name in built) + "\n"
    raise ValueError(__doc__)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]), end="")
    except ValueError as error:
        raise SystemExit(str(error)) from None
