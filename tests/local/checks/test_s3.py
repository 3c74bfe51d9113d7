"""S3: what is missing is said, and a secret never is."""

import socket

import pytest

from forebay.local.checks.s3_store import s3_store
from support.s3_server import S3Store

SECRET = "a-secret-nobody-may-see"


@pytest.fixture
def credentials(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "forebay-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def test_nothing_set_up_passes_and_says_what_s3_would_need(no_aws: None) -> None:
    check = s3_store()
    assert check.ok
    assert "AWS_ACCESS_KEY_ID" in check.detail


def test_half_of_the_credentials_names_the_other_half(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "forebay-key")
    check = s3_store()
    assert not check.ok
    assert check.fix == "Set AWS_SECRET_ACCESS_KEY."


@pytest.mark.usefixtures("credentials")
def test_a_server_that_does_not_answer_is_named_without_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    check = s3_store()
    assert not check.ok
    assert f"127.0.0.1:{port}" in check.detail
    assert "AWS_ENDPOINT_URL" in check.fix
    assert SECRET not in f"{check.detail}{check.fix}"


@pytest.mark.usefixtures("credentials")
def test_an_endpoint_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    check = s3_store()
    assert not check.ok
    assert "localhost:9000" in check.detail


def test_a_real_server_answers_and_a_wrong_secret_is_told_from_it(
    no_aws: None, s3_server: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    good = s3_store()
    assert good.ok, good.detail
    assert f"{s3_server.environment['AWS_ENDPOINT_URL']} answers" in good.detail
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    bad = s3_store()
    assert not bad.ok
    assert "refused the credentials" in bad.detail
    assert "AWS_SECRET_ACCESS_KEY" in bad.fix
    assert SECRET not in f"{bad.detail}{bad.fix}"
