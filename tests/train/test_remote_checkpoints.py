"""With its checkpoints in an object store as well, a training survives the loss of its machine at any moment."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.errors import ConfigError
from forebay.object_store import SHORT_TIMEOUTS, ObjectFolder
from forebay.settings import TrainConfig
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.state import Home, StepLog
from forebay.train import fit
from forebay.train.checkpoints.remote_checkpoints import RemoteCheckpoints
from support.made_once import home_with
from support.prepared_datasets import SMALL_TRAINING
from support.s3_server import S3Store
from support.training_child import TrainingChild
from support.watched_training import FirstStep, StopAt, last_step, wait_for_step, warnings

BUCKET = "forebay"
Start = Callable[..., TrainingChild]
Small = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of the small training that nothing interrupted, and that knew no store."""
    root = tmp_path_factory.mktemp("undisturbed")
    log = StepLog(name="train", run_id="", home=home_with(mlflow_template, root / "home"), events=root / "events.jsonl")
    return fit(dataset, root / "out", TrainConfig(**SMALL_TRAINING), log).spec.weights_sha256


@pytest.fixture
def store(s3_server: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectFolder:
    """A prefix of a test's own, which the train step is told of."""
    if BUCKET not in {found["Name"] for found in s3_server.client.list_buckets()["Buckets"]}:
        s3_server.client.create_bucket(Bucket=BUCKET)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(CHECKPOINT_STORE, f"s3://{BUCKET}/{tmp_path.name}")
    return ObjectFolder.parse(f"s3://{BUCKET}/{tmp_path.name}", "a test")


@pytest.fixture
def elsewhere(tmp_path: Path, mlflow_template: Path) -> Callable[[], FirstStep]:
    """The log of a step on another machine: a state folder with nothing in it but an empty database."""

    def log() -> FirstStep:
        number = len(list(tmp_path.glob("machine-*")))
        home = home_with(mlflow_template, tmp_path / f"machine-{number}")
        return FirstStep(name="train", run_id="", home=home, events=tmp_path / f"events-{number}.jsonl")

    return log


def manifests(store: ObjectFolder) -> list[str]:
    return sorted(name for name in store.names() if name.endswith(".json") and "/step-" in name)


@pytest.mark.parametrize("halfway", ["0", "1"])
@pytest.mark.parametrize("upload", [1, 2, 3, 4, 5])
def test_killed_before_or_in_an_upload_it_goes_on_elsewhere_and_ends_bit_equal(
    dataset: Path, start: Start, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    store: ObjectFolder, upload: int, halfway: str,
) -> None:  # fmt: skip
    dying = start(dataset, tmp_path / "out", tmp_path / "e.jsonl", DIE_AT_UPLOAD=str(upload), DIE_HALFWAY=halfway)
    assert dying.wait() == -signal.SIGKILL
    log = elsewhere()
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert warnings(log) == []
    # uploads: the training's id, then a part and a manifest for each checkpoint
    assert (log.first > 1) == (upload >= 4)
    after = store.names()
    kept = [name.removesuffix(".json") for name in manifests(store)]
    assert len(kept) == 2
    assert all(any(name.startswith(each) for each in kept) for name in after if "/step-" in name), "no garbage is left"


def test_sigterm_waits_for_the_last_upload_and_another_machine_goes_on_from_that_very_step(
    dataset: Path, start: Start, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    store: ObjectFolder,
) -> None:  # fmt: skip
    events = tmp_path / "child.jsonl"
    child = start(dataset, tmp_path / "out", events)
    wait_for_step(child, events, 34)
    child.terminate()
    assert child.wait() == 143
    last = last_step(events)
    log = elsewhere()
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == last + 1


@pytest.fixture
def stopped(dataset: Path, tmp_path: Path, small: Small, store: ObjectFolder, mlflow_template: Path) -> Home:
    """A machine on which the small training was stopped in its fourth epoch."""
    home = home_with(mlflow_template, tmp_path / "stopped")
    with pytest.raises(SystemExit):
        fit(dataset, tmp_path / "o", small(), StopAt(name="train", run_id="", home=home, events=tmp_path / "s.jsonl"))
    assert "step-0000000034" in manifests(store)[-1]
    return home


def damage(store: ObjectFolder, name: str, how: str) -> None:
    data = store.read(name)
    if how == "gone":
        store.delete(name)
    else:
        store.write(name, {"cut": data[:-7], "empty": b"", "bit": data[:-1] + bytes([data[-1] ^ 1])}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "bit", "gone"])
@pytest.mark.parametrize("which", ["part", "manifest"])
def test_a_damaged_copy_is_named_and_the_one_before_it_is_used(
    stopped: Home, dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    store: ObjectFolder, which: str, how: str,
) -> None:  # fmt: skip
    newest = manifests(store)[-1]
    damage(store, newest if which == "manifest" else newest.removesuffix("json") + "0", how)
    log = elsewhere()
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert 1 < log.first <= 34
    if (which, how) != ("manifest", "gone"):  # without a manifest it is none
        (text,) = warnings(log)
        assert f"s3://{BUCKET}/" in text
        assert newest.removesuffix(".json") in text
        assert "is damaged" in text


def test_what_has_the_right_digest_but_is_no_checkpoint_is_never_unpickled(
    dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    stopped: Home, store: ObjectFolder,
) -> None:  # fmt: skip
    import hashlib

    key = manifests(store)[0].partition("/")[0]
    data = b"\x80\x04not safetensors"
    digest = hashlib.sha256(data).hexdigest()
    name = f"{key}/step-0000000099.{digest}"
    store.write(f"{name}.0", data)
    store.write(f"{name}.json", json.dumps({"sha256": digest, "parts": [f"step-0000000099.{digest}.0"]}).encode())
    log = elsewhere()
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == 35
    assert len(warnings(log)) == 1
    assert not [found for found in store.names() if "0000000099" in found]


@pytest.mark.parametrize(
    "planted", ["step-0/../../../outside.json", "step-0000000099.evil.json", f"step-99.{'0' * 64}.json"]
)
def test_a_name_that_no_checkpoint_has_is_none_whatever_the_store_lists(
    planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = f"step-0000000034.{'a' * 64}"  # AWS keeps keys with dots and slashes as they are; this server would not
    monkeypatch.setattr(ObjectFolder, "names", lambda folder: {planted: 1, f"{good}.json": 1})
    assert RemoteCheckpoints(ObjectFolder(BUCKET, ""), print).names() == [good]


def test_a_local_checkpoint_that_is_as_new_is_read_without_the_store(
    stopped: Home, dataset: Path, tmp_path: Path, small: Small, undisturbed: str, store: ObjectFolder
) -> None:
    damage(store, manifests(store)[-1], "cut")
    log = FirstStep(name="train", run_id="", home=stopped, events=tmp_path / "again.jsonl")
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == 35
    assert warnings(log) == []


def test_a_finished_training_is_written_again_elsewhere_without_a_step(
    dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    store: ObjectFolder,
) -> None:  # fmt: skip
    fit(dataset, tmp_path / "first", small(), elsewhere())
    log = elsewhere()
    assert fit(dataset, tmp_path / "second", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == 0


def test_the_training_keeps_its_id_elsewhere(store: ObjectFolder) -> None:
    remote = RemoteCheckpoints(store, pytest.fail)
    assert remote.training_id("one") == "one"
    assert RemoteCheckpoints(store, pytest.fail).training_id("two") == "one"


def test_fresh_forgets_the_copies_too(
    stopped: Home, dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str
) -> None:
    log = elsewhere()
    log.fresh = True
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == 1


def test_a_store_that_does_not_answer_is_one_warning_and_the_training_ends_as_ever(
    dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, undisturbed: str,
    store: ObjectFolder, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    log = elsewhere()
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    (text,) = warnings(log)
    assert text.startswith("The store of FOREBAY_CHECKPOINT_STORE keeps no checkpoints (s3://forebay/")
    assert SHORT_TIMEOUTS.connect_s * SHORT_TIMEOUTS.attempts <= 10, "a store that is away costs seconds, not minutes"


def test_a_store_that_is_none_is_refused_before_anything_is_trained(
    dataset: Path, elsewhere: Callable[[], FirstStep], tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHECKPOINT_STORE, "/mnt/checkpoints")
    with pytest.raises(ConfigError, match="FOREBAY_CHECKPOINT_STORE must look like s3://BUCKET/PREFIX, got '/mnt/che"):
        fit(dataset, tmp_path / "out", small(), elsewhere())
