"""One owner of S3: addresses, the objects behind them, and what an error is called."""

from pathlib import Path

import pytest

from forebay.errors import ConfigError
from forebay.object_store import (
    CHECK_TIMEOUTS,
    DEFAULT_TIMEOUTS,
    SHORT_TIMEOUTS,
    ObjectFolder,
    StoreTimeouts,
    is_s3_uri,
    list_objects,
    new_client,
    object_size,
    parse_uri,
    read_range,
    shared_client,
)
from support.s3_server import S3Store

BUCKET = "object-store"


@pytest.fixture
def folder(no_aws: None, s3_server: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectFolder:
    """A prefix of a test's own."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    if BUCKET not in {found["Name"] for found in s3_server.client.list_buckets()["Buckets"]}:
        s3_server.client.create_bucket(Bucket=BUCKET)
    return ObjectFolder.parse(f"s3://{BUCKET}/{tmp_path.name}", "a test")


@pytest.mark.parametrize("uri", ["s3://bucket/some/key", "s3a://bucket/some/key/"])
def test_both_spellings_of_an_address_name_the_same_objects(uri: str) -> None:
    assert is_s3_uri(uri)
    assert parse_uri(uri) == ("bucket", "some/key")
    assert ObjectFolder.parse(uri, "a test").uri == "s3://bucket/some/key"


def test_a_bucket_alone_has_an_empty_key() -> None:
    assert parse_uri("s3://bucket") == parse_uri("s3://bucket/") == ("bucket", "")


@pytest.mark.parametrize("uri", ["", "/some/path", "s3://", "s3:///key", "s3:/bucket", "https://bucket/key"])
def test_another_address_is_refused_with_the_setting_that_holds_it(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"FOREBAY_WORK_STORE must look like s3://BUCKET/PREFIX, got "):
        parse_uri(uri, "FOREBAY_WORK_STORE")


def test_objects_come_back_as_they_were_written(folder: ObjectFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    folder.write("a", memoryview(b"0123456789"))
    folder.subfolder("below").upload(tmp_path / "file", "b")
    assert sorted(folder.names()) == ["a", "below/b"]
    assert folder.subfolder("below").parent == folder
    assert folder.read("a") == b"0123456789"
    folder.download("below/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"from a file"
    folder.delete_all(folder.names())
    folder.delete("a")  # gone already
    assert folder.names() == []


def test_a_listing_has_paths_below_the_prefix_and_one_object_has_its_own_name(folder: ObjectFolder) -> None:
    folder.write("x/one", b"1")
    folder.write("x/deep/two", b"22")
    folder.write("xy", b"beside")
    found = {each.path: (each.uri, each.size_bytes) for each in list_objects(f"{folder.uri}/x/", "ingest.data")}
    assert found == {"one": (f"{folder.uri}/x/one", 1), "deep/two": (f"{folder.uri}/x/deep/two", 2)}
    assert [each.path for each in list_objects(f"{folder.uri}/xy", "ingest.data")] == ["xy"]


@pytest.mark.parametrize(
    ("place", "words"),
    [("nothing-here", r"ingest\.labels: there is no object at or below s3://"), ("..", "ingest.labels: there is no")],
)
def test_a_listing_of_nothing_names_the_setting(folder: ObjectFolder, place: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        list_objects(f"{folder.uri}/{place}", "ingest.labels")


def test_a_bucket_that_is_not_there_names_the_setting(folder: ObjectFolder) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.labels: s3://no-such-bucket/x cannot be listed: "):
        list_objects("s3://no-such-bucket/x", "ingest.labels")


@pytest.mark.parametrize(
    ("offset", "size", "expected"), [(0, 4, b"0123"), (8, 4, b"89"), (10, 4, b""), (99, 4, b""), (3, 0, b"")]
)
def test_a_range_ends_where_the_object_ends(folder: ObjectFolder, offset: int, size: int, expected: bytes) -> None:
    folder.write("digits", b"0123456789")
    assert object_size(f"{folder.uri}/digits") == 10
    assert read_range(f"{folder.uri}/digits", offset, size) == expected


def test_an_object_that_is_gone_is_a_missing_file_but_in_a_range_an_error_of_the_store(
    folder: ObjectFolder, tmp_path: Path
) -> None:
    for read in (
        lambda: folder.read("gone"),
        lambda: folder.download("gone", tmp_path / "gone"),
        lambda: object_size(f"{folder.uri}/gone"),
    ):
        with pytest.raises(FileNotFoundError, match="gone"):
            read()
    with pytest.raises(OSError, match="gone") as caught:
        read_range(f"{folder.uri}/gone", 0, 4)
    assert not isinstance(caught.value, FileNotFoundError)


def test_a_store_that_does_not_answer_is_an_error_of_the_system(
    folder: ObjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = ObjectFolder(folder.bucket, folder.prefix, CHECK_TIMEOUTS)
    for ask in (away.objects, lambda: away.read("a"), lambda: away.write("a", b""), lambda: away.delete("a")):
        with pytest.raises(OSError, match=rf"s3://{BUCKET}/"):
            ask()


def test_threads_share_a_client_until_the_account_changes(
    folder: ObjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shared_client()
    assert shared_client() is first
    assert new_client(DEFAULT_TIMEOUTS) is not first
    assert shared_client(SHORT_TIMEOUTS) is not first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    assert shared_client() is not first


@pytest.mark.parametrize("timeouts", [DEFAULT_TIMEOUTS, SHORT_TIMEOUTS, CHECK_TIMEOUTS])
def test_a_client_waits_as_its_timeouts_say(folder: ObjectFolder, timeouts: StoreTimeouts) -> None:
    config = new_client(timeouts).meta.config
    assert config.connect_timeout == timeouts.connect_s
    assert config.read_timeout == timeouts.read_s
    assert config.retries["total_max_attempts"] == timeouts.attempts
