"""A key pair and a signed bundle; no key is set but by a test."""

from pathlib import Path

import pytest

from forebay.signing import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY, read_signing_key, sign
from support.key_pairs import KeyPair, make_pair
from support.tiny_inference_server import write_bundle


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    """Made for one test."""
    return make_pair(tmp_path / "keys")


@pytest.fixture
def signed(tmp_path: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that the pair signed, in an environment that verifies by it."""
    folder = tmp_path / "bundle"
    write_bundle(folder)
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    monkeypatch.setenv(VERIFY_KEY, str(pair.public))
    key = read_signing_key()
    assert key is not None
    sign(folder, key)
    return folder
