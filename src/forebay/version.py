"""The package version and the identity of the installed code; every tag and image name derives from these two."""

import hashlib
from functools import cache
from pathlib import Path

VERSION = "0.1.0"


@cache
def code_version() -> str:
    """Name the code that is installed: the package version and a digest of its sources.

    Returns:
        For example `0.1.0+3f9a1c20d4e7`. It changes with every edit of a Python file of the package, so a cache
        keyed by it never returns what older code made.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for folder in _source_folders(root):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{VERSION}+{digest.hexdigest()[:12]}"


def _source_folders(root: Path) -> list[Path]:
    """The package and, in an editable install, the components folder that the build maps into it.

    `pipelines/` is left out on purpose: it only wires, and KFP's cache key holds each step's own command already.
    """
    mapped = root / "components"
    return [root] if mapped.is_dir() else [root, root.parents[1] / "components"]
