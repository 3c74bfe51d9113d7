"""A password in a tracking server's address is never shown."""

import pytest

from forebay.errors import MachineError
from forebay.local.checks import libraries
from forebay.local.retention.prune import prune
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.tracking import shown_uri

SECRET = "hunter2"
URI = f"http://me:{SECRET}@127.0.0.1:1/mlflow"


@pytest.fixture
def secret_server(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose tracking server, which does not answer, wants a password."""
    for name, value in {
        "MLFLOW_TRACKING_URI": URI, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return home


def test_the_address_is_shown_without_user_and_password(secret_server: Home) -> None:
    assert shown_uri(secret_server) == "http://***@127.0.0.1:1/mlflow"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"API request to {URI}/api failed", "API request to http://***@127.0.0.1:1/mlflow/api failed"),
        ("postgresql://me:a@b/c@db/x", "postgresql://***@b/c@db/x"),
        ("http://me:p@ss@host/", "http://***@host/"),
        ("http://host:80/a@b and sqlite:////home/x/@y", "http://host:80/a@b and sqlite:////home/x/@y"),
        ("s3://bucket/key", "s3://bucket/key"),
    ],
)
def test_only_what_stands_before_the_host_is_masked(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


def test_doctor_and_prune_name_the_server_without_its_password(secret_server: Home) -> None:
    check = libraries.mlflow_store(secret_server)
    assert not check.ok
    with pytest.raises(MachineError, match="cannot be read") as raised:
        list(prune(secret_server, 5))
    for words in (check.detail, str(raised.value)):
        assert "127.0.0.1:1/mlflow" in words
        assert SECRET not in words
