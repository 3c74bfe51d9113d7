"""Keys that fit are taken; of others it is said what is wrong, and nothing of what is in them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from forebay.errors import ConfigError
from forebay.signing import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY, read_public_keys, read_signing_key
from support.key_pairs import KeyPair, make_pair, write_pair

SECRET = "correct horse"


def use(monkeypatch: pytest.MonkeyPatch, pair: KeyPair, passphrase: str = "") -> None:
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    monkeypatch.setenv(SIGNING_PASSPHRASE, passphrase)
    monkeypatch.setenv(VERIFY_KEY, str(pair.public))


def test_nothing_is_signed_or_verified_unless_a_variable_says_so() -> None:
    assert (read_signing_key(), read_public_keys()) == (None, None)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_each_curve_is_taken_and_both_halves_know_each_other(
    curve: ec.EllipticCurve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, make_pair(tmp_path, curve=curve))
    key = read_signing_key()
    assert key is not None
    assert key.public == read_public_keys()


def test_a_passphrase_opens_the_key_and_shows_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(tmp_path, passphrase=SECRET)
    use(monkeypatch, pair, SECRET)
    key = read_signing_key()
    assert key is not None
    assert SECRET not in repr(key)
    for wrong, words in (("", f"needs {SIGNING_PASSPHRASE}"), ("wrong one", f"{SIGNING_PASSPHRASE} does not open it")):
        use(monkeypatch, pair, wrong)
        with pytest.raises(ConfigError, match=words) as caught:
            read_signing_key()
        assert "wrong one" not in str(caught.value)


def test_a_passphrase_that_no_key_asks_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, make_pair(tmp_path), SECRET)
    with pytest.raises(ConfigError, match=f"has no passphrase, and {SIGNING_PASSPHRASE} is set: unset it"):
        read_signing_key()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (rsa.generate_private_key(65537, 2048), "a key for RSA; expected one on P-256, P-384, P-521"),
        (ed25519.Ed25519PrivateKey.generate(), "a key for Ed25519; expected"),
        (ec.generate_private_key(ec.SECP256K1()), "a key on the curve secp256k1; expected"),
    ],
)
def test_keys_of_other_kinds_are_refused_with_the_kinds_that_fit(
    key: ec.EllipticCurvePrivateKey, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, write_pair(tmp_path, "key", key))
    for read in (read_signing_key, read_public_keys):
        with pytest.raises(ConfigError, match=words):
            read()


def test_files_that_are_no_keys_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = KeyPair(tmp_path / "gone.pem", tmp_path / "gone.pem")
    use(monkeypatch, pair)
    for read in (read_signing_key, read_public_keys):
        with pytest.raises(ConfigError, match=r"gone\.pem cannot be read: No such file"):
            read()
    pair.private.write_text("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    with pytest.raises(ConfigError, match="it is no private key in PEM"):
        read_signing_key()
    with pytest.raises(ConfigError, match="a public key in it is damaged"):
        read_public_keys()
    pair.private.write_text("nothing")
    with pytest.raises(ConfigError, match="no public key in PEM is there"):
        read_public_keys()


def test_a_private_key_in_the_wrong_place_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_pair(tmp_path)
    text = pair.private.read_text()
    for name, value, read in (
        (SIGNING_KEY, text, read_signing_key), (VERIFY_KEY, text, read_public_keys),
        (VERIFY_KEY, str(pair.private), read_public_keys),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigError) as caught:
            read()
        assert text.splitlines()[1] not in str(caught.value)
