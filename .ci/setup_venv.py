"""Set up the virtual environment `.venv`; `make setup` runs this with the Python that it found.

Standard library only, because nothing else is installed yet. The stamp is written last, so an interrupted set-up starts
over (pip may have left half a package behind) and a finished one is known in 50 ms.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import venv
from pathlib import Path

import pip_steps

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "ready.json"
LOG = VENV / "setup.log"
INPUTS = ("pyproject.toml", "constraints.txt")

GB = 1_000_000_000
CPU_BYTES = 4 * GB  # environment and pip's downloads, with torch's CPU build
CUDA_BYTES = 9 * GB  # the same with torch's CUDA build, which the package index gives by default on Linux

NETWORK_SIGNS = (
    "No matching distribution",
    "NewConnectionError",
    "ConnectTimeout",
    "Read timed out",
    "name resolution",
    "SSLError",
    "ProxyError",
    "HTTP error",
    "Connection broken",
)
NETWORK_FIX = (
    "pip could not get a package. Check the network or the proxy (HTTPS_PROXY). Behind a mirror, name it first: "
    "export PIP_INDEX_URL=<its index>; for a folder of wheels: export PIP_FIND_LINKS=<folder>, with PIP_NO_INDEX=1 "
    "where there is no index at all."
)
DISK_FIX = (
    "The disk is full. Free some space; if only the temporary folder is small, name another: export TMPDIR=<folder>."
)
HASH_FIX = (
    "A package has other bytes than those that constraints.txt knows, and was not installed. Ask who runs the index or "
    "the folder of wheels that gave it. Where an index builds packages anew on purpose, `make lock` writes its hashes "
    "into constraints.txt (CONTRIBUTING.md, 'Changing a dependency')."
)
VENV_FIX = (
    "{python} cannot make virtual environments: its module ensurepip is missing. On Debian and Ubuntu: "
    "apt-get install python3-venv (for a Python beside the system's: python{version}-venv). Then run the command again."
)


def main() -> None:
    """Bring `.venv` to what pyproject.toml and constraints.txt say; exit with one paragraph when that cannot be."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once would write into each other's environment
        present = read_stamp()
        # Said once: later commands need not repeat the index.
        wanted = wanted_stamp(os.environ.get("TORCH_INDEX") or present.get("torch_index", ""))
        work = needed(present, wanted)
        if work == "nothing":
            return
        if work == "create":
            check_machine(wanted["torch_index"])
            print(f"Making {VENV} with Python {wanted['python'].split()[0]}", flush=True)
            venv.create(VENV, clear=True, symlinks=True, with_pip=True)
        STAMP.unlink(missing_ok=True)
        install(wanted["torch_index"])
        put_on_path(VENV, ROOT / "src")
        whole = STAMP.with_suffix(".new")
        whole.write_text(json.dumps(wanted, indent=2) + "\n")
        whole.replace(STAMP)


def wanted_stamp(torch_index: str) -> dict[str, str]:
    """Name everything that a finished environment depends on."""
    digest = hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest()
    python = f"{sys.version.split()[0]} {sys.base_prefix}"
    return {"python": python, "folder": str(VENV), "torch_index": torch_index, "inputs": digest}


def read_stamp() -> dict[str, str]:
    """Return the stamp of the last set-up that finished here; empty when none did or its interpreter is gone."""
    if not STAMP.is_file() or not (VENV / "bin" / "python").exists():
        return {}
    stamp: dict[str, str] = json.loads(STAMP.read_text())
    return stamp


def needed(present: dict[str, str], wanted: dict[str, str]) -> str:
    """Decide what to do: "nothing", "install" (other requirements) or "create" (other interpreter, place or torch)."""
    if any(present.get(key) != wanted[key] for key in ("python", "folder", "torch_index")):
        return "create"
    return "nothing" if present["inputs"] == wanted["inputs"] else "install"


def check_machine(torch_index: str) -> None:
    """Exit with the fix when this machine cannot make the environment; warn when the space may be too little."""
    if importlib.util.find_spec("ensurepip") is None:
        raise SystemExit(VENV_FIX.format(python=sys.executable, version=".".join(map(str, sys.version_info[:2]))))
    free = shutil.disk_usage(ROOT).free + folder_bytes(VENV)
    if free < CPU_BYTES:
        raise SystemExit(
            f"{ROOT} has {free / GB:.1f} GB free; the environment needs about {CPU_BYTES / GB:.0f} GB "
            f"({CUDA_BYTES / GB:.0f} GB with torch's CUDA build). Free some space or clone to a larger disk."
        )
    if free < CUDA_BYTES and not torch_index:
        print(
            f"Note: {free / GB:.1f} GB free is enough for torch's CPU build, but not for the CUDA build, "
            "which is an index's default on Linux. TORCH_INDEX chooses (CONTRIBUTING.md).",
            flush=True,
        )


def folder_bytes(folder: Path) -> int:
    """Return what removing `folder` gives back."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def install(torch_index: str) -> None:
    """Install the lock, the package (editable) and its tools with pip; exit with one paragraph when that fails."""
    if not pip_steps.install(VENV / "bin" / "python", ROOT, LOG, torch_index):
        raise SystemExit(failure(LOG.read_text()))


def put_on_path(environment: Path, sources: Path) -> None:
    """Have Python look for modules in `sources` too, by a line of a .pth file.

    setuptools' finder for editable packages is asked last. In a folder that holds another folder `forebay`, such as one
    with a clone of this repository, Python would take that one for a package without a file; a package with one wins.
    """
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "forebay-source.pth").write_text(f"{sources}\n")


def failure(log: str) -> str:
    """Say why pip failed and what to do, from what it wrote."""
    lines = log.splitlines()
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    if "No space left on device" in log:
        fix = DISK_FIX
    elif "DO NOT MATCH THE HASHES" in log:
        fix = HASH_FIX
    elif any(sign in log for sign in NETWORK_SIGNS):
        fix = NETWORK_FIX
    else:
        fix = "The lines above say why."
    return "\n".join([*errors[-5:], f"Set-up failed. {fix} Then run the same command again. pip's whole output: {LOG}"])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else pip would go on without us
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\nInterrupted. The same command starts over.") from None
