"""A store of weights that is asked before the hub."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.state import Home
from forebay.weights import WeightsError, find_weights
from forebay.weights.state_folder import find_kept, list_kept
from forebay.weights.store import fill_store, list_store
from support.fake_hub import MODEL, FakeHub, hub_with_one_network
from support.fake_hub import REPOSITORY as NAME
from support.s3_server import S3Store


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_with_one_network(monkeypatch, str(tmp_path / "cache")) as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    s3_server: S3Store,
    monkeypatch: pytest.MonkeyPatch,
    no_aws: None,
) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3_server.client.create_bucket(Bucket="weights")
    return "s3://weights/backbones"


def test_a_store_gives_what_was_put_there_without_the_hub(
    hub: FakeHub, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, behind_the_gap = Home(tmp_path / "here"), Home(tmp_path / "there")
    fetched = find_weights("published", MODEL, home=here)
    fill_store(store, list_kept(here)[0], fetched.path)
    assert [record.name for record in list_store(store)] == [NAME]
    hub.asked.clear()
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", store)
    found = find_weights("published", MODEL, home=behind_the_gap)
    assert (found.sha256, found.source, found.input) == (fetched.sha256, fetched.source, fetched.input)
    assert found.path.read_bytes() == fetched.path.read_bytes()
    assert hub.asked == []


def test_a_store_without_them_is_followed_by_the_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", str(tmp_path / "empty"))
    assert find_weights("published", MODEL, home=Home(tmp_path / "home")).library == "timm"
    assert hub.asked != []


def test_damaged_weights_in_a_store_are_refused(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, store = Home(tmp_path / "here"), tmp_path / "store"
    fetched = find_weights("published", MODEL, home=here)
    fill_store(str(store), list_kept(here)[0], fetched.path)
    file = next(store.rglob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", str(store))
    there = Home(tmp_path / "there")
    with pytest.raises(WeightsError, match=r"is not the expected .*changed or cut short"):
        find_weights("published", MODEL, home=there)
    assert find_kept(there, NAME) is None


def test_a_store_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_aws: None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", "s3://weights")
    with pytest.raises(WeightsError, match=r"The store of weights s3://weights does not answer or refuses"):
        find_weights("published", MODEL, home=Home(tmp_path))


RECORD = {"name": NAME, "sha256": "0" * 64, "source": "", "library": "timm", "architecture": "net", "input": None}


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        ({}, r"lamb_in1k\.json is no record of weights"),
        (RECORD | {"name": "../../outside"}, r"is no record of weights \(it names no weights\)"),
        (RECORD | {"sha256": "../outside"}, r"is no record of weights \(it names no weights\)"),
        (RECORD | {"source": 3}, r"is no record of weights \(a field is no text\)"),
        (RECORD | {"input": {"height": "tall"}}, r"is no record of weights"),
        (RECORD | {"name": "timm/other"}, r"is the record of timm/other"),
    ],
)
def test_a_record_that_is_damaged_or_forged_is_refused(
    record: dict[str, object], answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store/timm").mkdir(parents=True)
    (tmp_path / f"store/{NAME}.json").write_text(json.dumps(record))
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", str(tmp_path / "store"))
    with pytest.raises(WeightsError, match=answer):
        find_weights("published", MODEL, home=Home(tmp_path / "home"))
