"""What is uploaded, and under which name."""

import subprocess
from pathlib import Path

import pytest
import yaml

from forebay.backend.compiled_file import compiled_pipeline
from forebay.cluster.runs.package import package, revision, run_parameters
from forebay.errors import ConfigError
from forebay.user_code import encode_code
from support.s3_server import S3Store

ALL = frozenset({"ingest_data", "ingest_source_code", "train_epochs", "deploy_target"})


def _git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@t"]
    return subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_version_is_named_by_the_revision_and_the_files_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("a")
    _git(tmp_path, "add", "a")
    _git(tmp_path, "commit", "-qm", "a")
    monkeypatch.chdir(tmp_path)
    head = _git(tmp_path, "rev-parse", "--short=12", "HEAD")
    with package(compiled_pipeline(), fresh=False) as ready:
        assert ready.version.startswith(f"{head}-")
    other = tmp_path / "other.yaml"
    other.write_bytes(compiled_pipeline().read_bytes() + b"\n")
    assert revision() == f"{head}-dirty"
    with package(other, fresh=False) as changed:
        assert changed.version.rpartition("-")[2] != ready.version.rpartition("-")[2]


def test_without_git_the_revision_is_what_ci_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI_COMMIT_SHA", "0123456789abcdef")
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    assert revision() == "0123456789ab"


def test_a_fresh_package_takes_nothing_from_the_cache_and_forgets_checkpoints() -> None:
    with package(compiled_pipeline(), fresh=True) as ready:
        spec = next(yaml.safe_load_all(ready.path.read_text()))
    tasks = [*spec["root"]["dag"]["tasks"].values(), *spec["components"]["comp-condition-1"]["dag"]["tasks"].values()]
    assert len(tasks) == 7  # the condition is one of them
    assert not any(task["cachingOptions"] for task in tasks)
    for executor in spec["deploymentSpec"]["executors"].values():
        assert {"name": "FOREBAY_FRESH", "value": "1"} in executor["container"]["env"]


@pytest.mark.parametrize("content", ["", "a: [", "a: 1", "- 1", "\x00"])
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="is not a compiled pipeline"), package(file, fresh=False):
        pass


def test_data_of_this_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="pods of a cluster cannot read '/data/images'"):
        run_parameters({"ingest.data": "/data/images"}, ALL, print)


def test_a_source_of_the_users_own_travels_as_text_unless_it_reads_files_of_this_machine(tmp_path: Path) -> None:
    code = encode_code("raise SystemExit('it ran')\n")
    own: dict[str, str | int | float | bool] = {
        "ingest.data": "shapes.py:Shapes?path=s3x",
        "ingest.source_code": code,
    }
    said: list[str] = []
    parameters = run_parameters(own, ALL, said.append)
    assert parameters["ingest_source_code"] == code
    assert (len(parameters["ingest_fingerprint"]), said) == (64, [])
    with pytest.raises(ConfigError, match=rf"cannot read '{tmp_path}' of this machine, which shapes.py:Shapes"):
        run_parameters({**own, "ingest.data": f"shapes.py:Shapes?path={tmp_path}"}, ALL, print)


def test_a_source_that_only_the_container_image_has_is_submitted_with_a_warning() -> None:
    said: list[str] = []
    parameters = run_parameters({"ingest.data": "photo-club://2020"}, ALL, said.append)
    assert str(parameters["ingest_fingerprint"]).startswith("unseen-")
    assert "No installed package brings 'photo-club' in forebay.sources" in said[0]


def test_the_target_of_this_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"deploy\.target=local serves on the machine"):
        run_parameters({"deploy.target": "local"}, ALL, print)
    with pytest.raises(ConfigError, match=r"train\.weights: the pods of a cluster cannot read 'mine\.safetensors'"):
        run_parameters({"train.weights": "mine.safetensors"}, ALL, print)


def test_a_setting_that_the_compiled_file_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="no parameter train_epochs: another version"):
        run_parameters({"train.epochs": "3"}, ALL - {"train_epochs"}, print)


def test_a_batch_needs_a_model_and_a_place_that_pods_can_write() -> None:
    known = frozenset({"ingest_data", "batch_model", "batch_out"})
    with pytest.raises(ConfigError, match=r"batch\.model must name a model, such as digits@champion"):
        run_parameters({}, known, print)
    with pytest.raises(ConfigError, match=r"batch\.out must be s3://BUCKET/NAME\.parquet or \.csv"):
        run_parameters({"batch.model": "digits", "batch.out": "/tmp/p.csv"}, known, print)
    assert run_parameters({"batch.model": "digits"}, known, print)["batch_model"] == "digits"


def test_the_fingerprint_of_data_that_can_be_seen_from_here_changes_with_it(
    s3_server: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3 = s3_server
    s3.client.create_bucket(Bucket="seen")
    s3.client.put_object(Bucket="seen", Key="a/1.png", Body=b"1")
    before = run_parameters({"ingest.data": "s3://seen"}, ALL, print)
    assert before == run_parameters({"ingest.data": "s3://seen"}, ALL, print)
    s3.client.put_object(Bucket="seen", Key="a/1.png", Body=b"2")
    assert before != run_parameters({"ingest.data": "s3://seen"}, ALL, print)


def test_data_that_cannot_be_seen_from_here_is_never_taken_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    warnings: list[str] = []
    first, second = (run_parameters({"ingest.data": "s3://hidden/x"}, ALL, warnings.append) for _ in range(2))
    assert first["ingest_fingerprint"] != second["ingest_fingerprint"]
    assert "ingest is computed anew" in warnings[0]
