"""Real servers with a public key: they take what is signed by it, refuse what is not, and say why."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.contracts.bundles.spec import SIGNATURE, WEIGHTS
from forebay.errors import MachineError
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.serving.state import DesiredModel
from forebay.signing import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY, read_signing_key, sign
from forebay.state import Home
from support.key_pairs import KeyPair, make_pair
from support.tiny_inference_server import server_process, write_desired_model

ADDRESS = ServerOptions("127.0.0.1", 0)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyPair:
    """A pair whose public half is set."""
    found = make_pair(tmp_path / "keys")
    monkeypatch.setenv(SIGNING_KEY, str(found.private))
    monkeypatch.setenv(SIGNING_PASSPHRASE, "")
    monkeypatch.setenv(VERIFY_KEY, str(found.public))
    return found


def signed(folder: Path, version: str, **how: int) -> DesiredModel:
    """A random bundle, signed by the key that is set."""
    model = write_desired_model(folder, version, **how)
    key = read_signing_key()
    assert key is not None
    sign(folder, key)
    return model


def test_the_local_server_serves_what_is_signed_and_keeps_it_when_the_next_is_not(
    home: Home, tmp_path: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = signed(tmp_path / "good", "1")
    unsigned = write_desired_model(tmp_path / "unsigned", "2", seed=1)
    info = control.ensure_server(home, ADDRESS)
    try:
        assert publish(home, lambda _: {"tiny": good}, 60).loaded["tiny"].version == "1"
        loaded = publish(home, lambda _: {"tiny": unsigned}, 60).loaded["tiny"]
        assert loaded.version == "1"
        assert f"is not signed: it has no {SIGNATURE}, and {VERIFY_KEY} is set" in loaded.error
        environment = Path(f"/proc/{info.pid}/environ").read_bytes()
        assert SIGNING_KEY.encode() not in environment
        assert SIGNING_PASSPHRASE.encode() not in environment
        pair.public.unlink()  # it has the key itself
        assert publish(home, lambda _: {"tiny": good}, 60).loaded["tiny"].error == ""
        monkeypatch.setenv(VERIFY_KEY, str(make_pair(tmp_path / "other").public))
        with pytest.raises(MachineError, match=r"verifies by other keys\. End it with `forebay stop`"):
            control.ensure_server(home, ADDRESS)
    finally:
        control.stop_server(home)


def test_a_folder_is_served_as_long_as_its_bundle_is_what_was_signed(tmp_path: Path, pair: KeyPair) -> None:
    signed(tmp_path / "models" / "tiny", "1")
    with server_process(tmp_path / "models" / "tiny", tmp_path / "log") as server:
        assert len(server.predict("tiny", [[[[0]] * 8] * 8])) == 1
    other = tmp_path / "changed"
    shutil.copytree(tmp_path / "models" / "tiny", other)
    (other / "more.txt").write_text("x")
    refused(other, "'more.txt' is not in the signature")
    shutil.copytree(tmp_path / "models" / "tiny", tmp_path / "unsigned", ignore=shutil.ignore_patterns(SIGNATURE))
    assert (tmp_path / "unsigned" / WEIGHTS).is_file()
    refused(tmp_path / "unsigned", "is not signed")


def refused(folder: Path, words: str) -> None:
    """A server of this folder ends with these words."""
    command = [sys.executable, "-m", "forebay.serving", "--models", str(folder), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr.splitlines()[-1]


def test_a_server_without_a_key_that_it_can_read_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_KEY, str(tmp_path / "gone.pem"))
    refused(tmp_path, "gone.pem cannot be read: No such file or directory.")
