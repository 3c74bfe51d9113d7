"""What a registered version is, to the last byte of every file; and versions from before that was on record."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.digest import bundle_digest, bundle_record, check_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import HISTORY, SIGNATURE, SPEC, WEIGHTS, read_spec, regular_file_sha256
from forebay.errors import ModelError
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog, read_json, write_json
from forebay.state.sealed import MARKER
from support.made_once import home_with
from support.tiny_inference_server import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / HISTORY).write_text("[]")
    (tmp_path / "bundle" / "more").mkdir()
    (tmp_path / "bundle" / "more" / ".hidden").write_text("x")
    return tmp_path / "bundle"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_one_changed_bit_of_any_file_is_refused_by_name(bundle: Path) -> None:
    record = bundle_record(bundle)
    check_bundle(bundle, record)
    for path in (path for path in bundle.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, -1):
            flip(path, place)
            with pytest.raises(ModelError, match=rf"{path.relative_to(bundle)} was changed"):
                check_bundle(bundle, record)
            path.write_bytes(whole)
    check_bundle(bundle, record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bundle: (bundle / "new.txt").touch(), "new.txt was added"),
        (lambda bundle: (bundle / "more" / "new").write_text("x"), "more/new was added"),
        (lambda bundle: (bundle / HISTORY).unlink(), "history.json is missing"),
        (lambda bundle: (bundle / HISTORY).rename(bundle / "history"), "history.json is missing; history was added"),
        (lambda bundle: (bundle / "link").symlink_to(bundle / HISTORY), "link is a symbolic link"),
        (lambda bundle: (bundle / "folder").symlink_to("/etc"), "folder is a symbolic link"),
        (lambda bundle: os.mkfifo(bundle / "pipe"), "pipe is a named pipe"),
        (lambda bundle: (bundle / "a\nb").touch(), "must be printable text"),
    ],
)
def test_files_that_come_and_go_are_named(bundle: Path, change: Callable[[Path], None], words: str) -> None:
    record = bundle_record(bundle)
    change(bundle)
    with pytest.raises(ModelError, match=words):
        check_bundle(bundle, record)


def test_the_signature_is_over_the_digest_and_so_not_in_it(bundle: Path) -> None:
    before = bundle_digest(bundle)
    (bundle / SIGNATURE).write_text("signed")
    assert bundle_digest(bundle) == before
    (bundle / "more" / SIGNATURE).write_text("another file of that name")
    assert bundle_digest(bundle) != before


def test_a_list_of_files_that_is_not_the_digests_own_names_nothing(bundle: Path) -> None:
    other = BundleRecord(digest="0" * 64, files=bundle_record(bundle).files)
    with pytest.raises(ModelError, match=r"its digest is [0-9a-f]{12}…, not 000000000000…"):
        check_bundle(bundle, other)


def test_an_empty_file_is_refused_before_kserve_leaves_it_behind(bundle: Path) -> None:
    (bundle / "empty").touch()
    with pytest.raises(ModelError, match="empty is empty, and KServe brings no empty files"):
        bundle_record(bundle)


@pytest.fixture(scope="module")
def evaluation(
    digits_shards: Path, digits_bundle: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What evaluate wrote of the digits' bundle, for every test."""
    home = home_with(mlflow_template, tmp_path_factory.mktemp("evaluated"))
    log = StepLog(name="evaluate", run_id="", home=home, events=home.root / "events.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return evaluate(digits_shards, digits_bundle, home.root / "evaluation", EvaluateConfig(), log).folder


@pytest.fixture
def changeable(digits_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the digits' bundle, without the seal of the step that wrote it."""
    bundle = Path(shutil.copytree(digits_bundle, tmp_path / "changeable"))
    (bundle / MARKER).unlink()
    return bundle


def test_classes_that_are_turned_round_after_the_evaluation_are_not_registered(
    digits_shards: Path, changeable: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    found = evaluate(digits_shards, changeable, mlflow_home.root / "evaluation", EvaluateConfig(), steplog)
    spec = read_json(changeable / SPEC)
    write_json(changeable / SPEC, {**spec, "classes": spec["classes"][::-1]})
    with pytest.raises(ModelError, match=r"was changed since .* Evaluate this bundle before it is registered"):
        register(digits_shards, changeable, found.folder, RegisterConfig(), steplog)


def test_a_version_carries_digest_and_files_and_an_older_one_gets_them_when_registered_again(
    digits_shards: Path, digits_bundle: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    version = register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog)
    registered = registry.resolve(mlflow_home, "digits/1")
    assert registered.record == bundle_record(digits_bundle)
    assert registered.note == ""
    forget_record(mlflow_home, version)
    older = registry.resolve(mlflow_home, "digits/1")
    assert older.record is None
    assert "only its weights are checked" in older.note
    assert register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog) == version
    assert registry.resolve(mlflow_home, "digits/1").record == bundle_record(digits_bundle)


def test_of_an_older_version_the_weights_are_what_was_registered(
    digits_shards: Path, digits_bundle: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    forget_record(mlflow_home, register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog))
    folder = registry.resolve(mlflow_home, "digits/1").folder
    flip(folder / WEIGHTS, -1)
    spec = read_json(folder / SPEC)
    write_json(folder / SPEC, {**spec, "weights_sha256": regular_file_sha256(folder / WEIGHTS)})
    read_spec(folder)  # in itself it is whole
    with pytest.raises(ModelError, match=r"digits version 1 is refused: .*weights.safetensors: sha256"):
        registry.resolve(mlflow_home, "digits/1")


def test_the_same_weights_that_answer_otherwise_are_another_version(
    digits_shards: Path, digits_bundle: Path, changeable: Path, evaluation: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    register(digits_shards, digits_bundle, evaluation, RegisterConfig(), steplog)
    spec = read_json(changeable / SPEC)
    write_json(changeable / SPEC, {**spec, "std": [each * 2 for each in spec["std"]]})
    settings = EvaluateConfig(min_accuracy=0.0)
    again = evaluate(digits_shards, changeable, mlflow_home.root / "again", settings, steplog)
    assert register(digits_shards, changeable, again.folder, RegisterConfig(), steplog) == "2"


def forget_record(home: Home, version: str) -> None:
    """As an earlier Forebay left it."""
    for tag in (registry.DIGEST_TAG, registry.FILES_TAG):
        tracking.client(home).delete_model_version_tag("digits", version, tag)
