"""Register with a key: the version is signed, train's folder stays as it was, and nothing begins with a wrong key."""

import sys
from pathlib import Path

import pytest

from forebay import registry
from forebay.contracts.bundles.digest import bundle_digest
from forebay.contracts.bundles.spec import SIGNATURE
from forebay.contracts.evaluation import EvaluationResult
from forebay.errors import ConfigError, ForebayError, MachineError
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.signing import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY, verify_if_required
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from support.key_pairs import KeyPair, make_pair


@pytest.fixture
def evaluation(digits_shards: Path, digits_bundle: Path, mlflow_home: Home, steplog: StepLog) -> EvaluationResult:
    return evaluate(digits_shards, digits_bundle, mlflow_home.root / "evaluation", EvaluateConfig(), steplog)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyPair:
    """A pair with a passphrase, which is set."""
    found = make_pair(tmp_path / "keys", passphrase="correct horse")
    monkeypatch.setenv(SIGNING_PASSPHRASE, "correct horse")
    monkeypatch.setenv(VERIFY_KEY, str(found.public))
    return found


def test_with_a_key_the_version_is_signed_and_an_unsigned_one_is_replaced(
    digits_shards: Path, digits_bundle: Path, evaluation: EvaluationResult, steplog: StepLog, pair: KeyPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def add() -> str:
        return register(digits_shards, digits_bundle, evaluation.folder, RegisterConfig(), steplog)

    before = {path.name: path.stat().st_mtime_ns for path in digits_bundle.iterdir()}
    assert add() == "1"  # no key: as ever
    assert not (registry.resolve(steplog.home, "digits/1").folder / SIGNATURE).exists()
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    assert [add(), add()] == ["2", "2"]
    found = registry.resolve(steplog.home, "digits/2")
    signed = verify_if_required(found.folder)
    assert signed is not None
    assert signed.digest == bundle_digest(digits_bundle)
    assert signed == found.record
    assert {path.name: path.stat().st_mtime_ns for path in digits_bundle.iterdir()} == before
    assert list(steplog.home.root.glob(".register-*")) == []
    assert steplog.events is not None
    told = [event["text"] for event in read_events(steplog.events)[0] if event["kind"] == "warning"]
    assert "digits version 1 is not signed by this key. A signed one takes its place." in told
    assert "correct horse" not in steplog.events.read_text()


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (
            lambda patch, pair: patch.setenv(SIGNING_PASSPHRASE, "wrong"),
            ConfigError,
            f"{SIGNING_PASSPHRASE} does not open it",
        ),
        (lambda patch, pair: pair.private.unlink(), ConfigError, "cannot be read: No such file"),
        (lambda patch, pair: patch.setitem(sys.modules, "model_signing", None), MachineError, r"forebay\[signing\]"),
    ],
)
def test_a_key_that_cannot_be_used_ends_the_step_before_its_work(
    tmp_path: Path, steplog: StepLog, pair: KeyPair, monkeypatch: pytest.MonkeyPatch,
    spoil: "object", error: type[ForebayError], words: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(SIGNING_KEY, str(pair.private))
    spoil(monkeypatch, pair)  # type: ignore[operator]
    nothing = tmp_path / "nothing"  # no input is looked at
    with pytest.raises(error, match=words):
        register(nothing, nothing, nothing, RegisterConfig(), steplog)
