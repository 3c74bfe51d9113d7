"""The package version and the identity of the installed code; every tag and image name derives from these two."""

from functools import cache
from pathlib import Path

VERSION = "0.1.0"

# Folders that the build maps into the package. `pipelines/` is left out of the digest on purpose: it only wires, and
# KFP's cache key holds each step's own command already. `installation/` is the chart and the manifests: no step's code.
_MAPPED = ("components/", "pipelines/", "installation/")


@cache
def code_version() -> str:
    """Name the code that is installed: the package version and a digest of its sources.

    Returns:
        For example `0.1.0+3f9a1c20d4e7`. It changes with every edit of a Python file of the package, so a cache
        keyed by it never returns what older code made.
    """
    package = Path(__file__).parent
    return f"{VERSION}+{source_digest(package)[:12]}"


def source_digest(package: Path) -> str:
    """Digest of the package's Python files, the same whether it lies in a checkout or was installed from a wheel.

    Args:
        package: the folder of `forebay`. The components are in it, or where an editable install leaves them.
    """
    import hashlib  # its libraries take 4 MB, which the server's supervisor does not need

    inside = package / "components"
    components = inside if inside.is_dir() else package.parents[1] / "components"
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    files = {name: path for name, path in files.items() if not name.startswith(_MAPPED)}
    files |= {f"components/{path.relative_to(components).as_posix()}": path for path in components.rglob("*.py")}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
