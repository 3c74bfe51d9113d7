"""What of the caller's environment reaches a step's container, and what the server's does not get."""

from pathlib import Path

import pytest

from forebay.errors import ConfigError
from forebay.local.containers.engine import container_arguments
from forebay.local.containers.step_environment import check_container_environment, step_environment
from forebay.state import Home


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in step_environment("register")[0]:
        monkeypatch.delenv(name, raising=False)


def test_only_variables_for_s3_and_mlflow_reach_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("GITHUB_TOKEN", "not for a container")
    variables, volumes = step_environment("ingest")
    assert variables == {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"}
    assert volumes == {}


def test_the_signing_key_reaches_register_and_no_other_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    monkeypatch.setenv("FOREBAY_SIGNING_KEY", str(key))
    monkeypatch.setenv("FOREBAY_SIGNING_KEY_PASSPHRASE", "secret")
    assert step_environment("register") == (
        {"FOREBAY_SIGNING_KEY": str(key), "FOREBAY_SIGNING_KEY_PASSPHRASE": "secret"},
        {str(key): {"bind": str(key), "mode": "ro"}},
    )
    assert [step_environment(step) for step in ("ingest", "train", "deploy")] == [({}, {})] * 3


def test_where_weights_are_found_reaches_train_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert step_environment("train") == (
        {"FOREBAY_WEIGHTS_STORE": str(tmp_path), "HF_TOKEN": "secret"},
        {str(tmp_path): {"bind": str(tmp_path), "mode": "ro"}},
    )
    assert step_environment("evaluate") == ({}, {})
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", "s3://models/weights")
    assert step_environment("train")[1] == {}


def test_a_container_that_is_no_step_gets_none_of_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for the server")
    given = container_arguments(home)
    assert given["environment"] == {"FOREBAY_HOME": str(home.root)}
    assert (given["read_only"], given["cap_drop"]) == (True, ["ALL"])


def test_files_that_variables_name_come_along_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.touch()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "gone"))
    assert step_environment("ingest")[1] == {str(file): {"bind": str(file), "mode": "ro"}}


def test_a_profile_brings_the_files_of_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "team")
    config = tmp_path / ".aws" / "config"
    config.parent.mkdir()
    config.touch()
    variables, volumes = step_environment("ingest")
    assert variables["AWS_CONFIG_FILE"] == str(config)
    assert list(volumes) == [str(config)]


@pytest.mark.parametrize("uri", ["sqlite:////elsewhere/mlflow.db", "file:///mlruns", "./mlruns", "/mlruns"])
def test_an_mlflow_store_in_a_file_is_refused_with_what_to_do(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ConfigError, match=r"names a file, which containers do not see\. Unset it"):
        check_container_environment()


def test_a_tracking_server_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    check_container_environment()
