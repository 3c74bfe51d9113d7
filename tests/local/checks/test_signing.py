"""Keys before a run: what register or the server would refuse after training is said first."""

import sys
from pathlib import Path

import pytest

from forebay.errors import ConfigError, MachineError
from forebay.local.checks.preflight import check_before_run
from forebay.local.checks.signing import check_keys, signing_keys
from forebay.local.server.launch import ServerOptions
from forebay.serving.state import ServerInfo, ServingFiles, write_server
from forebay.signing import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY, PublicKeys, read_public_keys
from forebay.state import FileLock, Home
from support.key_pairs import KeyPair, make_pair


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyPair:
    for name in (SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY):
        monkeypatch.delenv(name, raising=False)
    return make_pair(tmp_path / "keys")


def check(home: Home) -> None:
    check_keys(home, installed=True)


def test_a_run_with_a_wrong_key_does_not_begin(home: Home, pair: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(pair.public))
    with pytest.raises(ConfigError, match="it is no private key in PEM"):
        check_before_run(home, ServerOptions("127.0.0.1", 0))
    assert not signing_keys().ok


def test_keys_that_fit_pass_and_are_told_by_fingerprint(
    home: Home, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(home)
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    check(home)
    monkeypatch.setenv(VERIFY_KEY, str(pair.public))
    check(home)
    found = signing_keys()
    assert found.ok
    assert found.detail.endswith("…, servers verify with 1 key(s)")


def test_a_key_that_nobody_verifies_by_or_none_at_all_is_refused(
    home: Home, pair: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_KEY, str(pair.public))
    with pytest.raises(ConfigError, match=f"{SIGNING_KEY} is not: this run's model would be refused"):
        check(home)
    monkeypatch.setenv(SIGNING_KEY, str(make_pair(tmp_path / "other").private))
    with pytest.raises(ConfigError, match="do not belong to each other"):
        check(home)


def test_without_the_library_the_extra_is_named_unless_images_have_it(
    home: Home, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(MachineError, match=r"`pip install 'forebay\[signing\]'`"):
        check(home)
    check_keys(home, installed=False)


def test_a_running_server_that_would_refuse_the_model_is_named(
    home: Home, pair: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ServingFiles.of(home)
    files.folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv(VERIFY_KEY, str(pair.public))
    keys = read_public_keys()
    assert isinstance(keys, PublicKeys)
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    with FileLock(files.lock).held("the server"):
        write_server(files, ServerInfo(pid=1, host="127.0.0.1", port=1, log=""))
        with pytest.raises(MachineError, match=r"\(process 1\) verifies no signatures. End it with `forebay stop`"):
            check(home)
        write_server(files, ServerInfo(pid=1, host="127.0.0.1", port=1, log="", verifies=keys.fingerprints))
        check(home)
        monkeypatch.delenv(VERIFY_KEY)
        check(home)
        monkeypatch.delenv(SIGNING_KEY)
        with pytest.raises(ConfigError, match=f"takes models only that are signed .* {SIGNING_KEY} is not set"):
            check(home)
        monkeypatch.setenv(SIGNING_KEY, str(make_pair(tmp_path / "other").private))
        with pytest.raises(ConfigError, match=f"{SIGNING_KEY} names another key"):
            check(home)
