"""docs/signing.md: its commands do what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.contracts.bundles.spec import SIGNATURE
from forebay.signing import SIGNING_KEY, VERIFY_KEY, read_signing_key, sign, verify_if_required
from support.paths import ROOT
from support.tiny_inference_server import write_bundle

PAGE = (ROOT / "docs" / "signing.md").read_text()


def command(start: str) -> str:
    """The page's line that begins so, without its comment."""
    return next(line for line in PAGE.splitlines() if line.startswith(start)).partition("   #")[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_keys_made_by_its_commands_sign_and_its_other_command_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, public = command("openssl ecparam"), command("openssl pkey")
    assert "`openssl pkcs8 -topk8 -nocrypt -out key.pem`" in PAGE
    make = make.replace("openssl pkcs8 -topk8 -out", "openssl pkcs8 -topk8 -nocrypt -out")
    # A shell, because the page's line is a pipe of two programs. The words are our own page's, in a folder of the test.
    subprocess.run(f"{make} && {public}", shell=True, cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key.pem"))
    monkeypatch.setenv(VERIFY_KEY, str(tmp_path / "public.pem"))
    write_bundle(tmp_path / "BUNDLE")
    key = read_signing_key()
    assert key is not None
    sign(tmp_path / "BUNDLE", key)
    assert verify_if_required(tmp_path / "BUNDLE") is not None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    verify = command("model_signing verify")
    done = subprocess.run(
        verify.split(), cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Verification succeeded\n"), done.stderr
    assert f"BUNDLE/{SIGNATURE}" in verify
