"""The lock as data, and its hashes written anew from an index."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import lockfile
import pytest

from support.fake_http_server import answering
from support.paths import ROOT

CI = ROOT / ".ci"
OLD, NEW, SOURCE = (f"sha256:{hashlib.sha256(word).hexdigest()}" for word in (b"old", b"new", b"source"))
LOCK = f"""# the lock
six==1.17.0 \\
    --hash={OLD}
# Without hashes: from an index of its own
torch==2.13.0
# Only images install the following
wtforms==3.3.2
"""
FILES = {
    "six": {"six-1.17.0-py2.py3-none-any.whl": NEW, "six-1.17.0.tar.gz": SOURCE, "six-1.16.0.tar.gz": OLD},
    "wtforms": {"wtforms-3.3.2-py3-none-any.whl": NEW, "wtforms-3.3.2.exe": OLD},
}


@pytest.fixture
def index() -> Iterator[str]:
    """The address of a package index that answers in JSON, as PEP 691 says."""

    def answer(request: BaseHTTPRequestHandler) -> dict[str, object]:
        name = request.path.strip("/").rpartition("/")[2]
        return {"files": [{"filename": file, "hashes": {"sha256": each[7:]}} for file, each in FILES[name].items()]}

    with answering(answer, "application/vnd.pypi.simple.v1+json") as address:
        yield f"{address}/simple"


def test_new_hashes_are_written_and_a_file_that_changed_is_named(tmp_path: Path, index: str) -> None:
    shutil.copytree(CI, tmp_path / ".ci")
    (tmp_path / "constraints.txt").write_text(LOCK)
    command = [sys.executable, str(tmp_path / ".ci" / "renew_lock.py")]
    renewed = subprocess.run(
        command, env=os.environ | {"PIP_INDEX_URL": index}, capture_output=True, text=True, check=True
    )
    assert renewed.stdout == "six==1.17.0: a file that the lock knew is gone from the index, or has other bytes now\n"
    after = (tmp_path / "constraints.txt").read_text()
    comments, before = ([line for line in text.splitlines() if line.startswith("#")] for text in (after, LOCK))
    assert comments == before
    hashes = {pin.name: set(pin.hashes) for pin in lockfile.read(after)}
    assert hashes == {"six": {NEW, SOURCE}, "torch": set(), "wtforms": {NEW}}


def test_what_pip_is_given_has_the_hash_of_each_package_or_does_not_exist() -> None:
    pins = lockfile.read(LOCK)
    assert lockfile.hashed(pins, ["Six"]) == f"six==1.17.0 \\\n    --hash={OLD}\n"
    for name in ("torch", "wtforms", "left-pad"):
        with pytest.raises(ValueError, match=f"constraints.txt has no {name} with a hash"):
            lockfile.hashed(pins, ["six", name])


@pytest.mark.parametrize("line", ["six>=1.17", "six==1.17.0 --hash=md5:12", "six==1.*", "-r other.txt"])
def test_a_line_that_pins_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is no `name==version` with"):
        lockfile.read(f"{LOCK}{line}\n")
