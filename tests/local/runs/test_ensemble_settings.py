"""What `forebay ensemble` makes of its words: checked versions, and the settings of the run that made them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import SPEC, read_spec, write_spec
from forebay.errors import ConfigError
from forebay.local.runs.ensemble_settings import ensemble_settings
from forebay.models import build, save_bundle
from forebay.settings.ensembles import VersionReference, format_versions, parse_versions
from forebay.state import Home, write_json

Add = Callable[..., str]


@pytest.fixture
def add(digits_bundle: Path, mlflow_home: Home) -> Add:
    """Put a bundle into the registry, with what its spec says changed; nothing is evaluated."""
    client = tracking.client(mlflow_home)

    def add_version(name: str = "digits", run_id: str = "", **changes: Any) -> str:
        source = mlflow_home.mlflow_artifacts / f"{name}-{len(registry.list_versions(mlflow_home, name))}"
        folder = source / "data" / "bundle"
        shutil.copytree(digits_bundle, folder)
        spec = replace(read_spec(folder), **changes)
        if spec.height != 8:
            network = build(spec.architecture, spec.options, 1, spec.height, spec.width, 10)
            save_bundle(folder, spec, network.state_dict())
        else:
            write_spec(folder, spec)
        if name not in registry.list_names(mlflow_home):
            client.create_registered_model(name)
        tags = {registry.WEIGHTS_TAG: spec.weights_sha256, registry.RUN_TAG: run_id}
        tags |= registry.record_tags(bundle_record(folder))
        return str(client.create_model_version(name, f"file://{source}", tags=tags).version)

    return add_version


def test_the_run_of_a_version_gives_the_settings_of_data_and_gate_and_none_of_training(
    add: Add, mlflow_home: Home
) -> None:
    run = mlflow_home.new_run()
    parameters = {
        "ingest_data": "/data/photos", "ingest_size": "8x8", "ingest_fingerprint": "f", "code_version": "c",
        "preprocess_holdout": 0.3, "train_epochs": "4", "evaluate_name": "other", "deploy_smoke_rows": 4, "gone": 1,
    }  # fmt: skip
    write_json(run.plan, {"parameters": parameters})
    add()
    add(run_id=run.run_id)
    found = ensemble_settings(mlflow_home, "digits", ["1", "2"], {"ingest.size": "9x9"})
    versions = parse_versions(str(found.pop("train.ensemble")))
    assert found == {
        "ingest.data": "/data/photos", "ingest.size": "9x9", "preprocess.holdout": 0.3, "deploy.smoke_rows": 4,
        "evaluate.name": "digits",
    }  # fmt: skip
    assert [str(each) for each in versions] == ["digits/1", "digits/2"]
    record = registry.resolve(mlflow_home, "digits/2").record
    assert record is not None
    assert versions[1].digest == record.digest[:12]


def test_without_the_run_the_versions_own_record_tells_how_the_data_were_prepared(add: Add, mlflow_home: Home) -> None:
    add()
    add("other")
    registry.set_champion(mlflow_home, "other", "1")
    found = ensemble_settings(mlflow_home, "both", ["digits/1", "other@champion"], {})
    assert found["evaluate.name"] == "both"
    assert str(found["train.ensemble"]).startswith("digits/1#")
    spec = read_spec(registry.resolve(mlflow_home, "digits/1").folder)
    assert found["ingest.data"] == spec.data["source"]
    assert (found["ingest.size"], found["ingest.channels"]) == ("8x8", "1")
    assert found["preprocess.holdout"] == spec.data["holdout"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"classes": [*"abcdefghij"]}, r"other/1 knows the class 'a', digits/1 does not"),
        ({"height": 9, "width": 9, "mean": [0.3]}, r"other/1 has images 9x9x1, digits/1 has 8x8x1"),
        ({"data": {"split_kind": "source"}}, r"so no row is known to be held out for both"),
    ],
)
def test_versions_that_cannot_answer_together_are_refused_before_anything_runs(
    add: Add, mlflow_home: Home, changes: dict[str, Any], reason: str
) -> None:
    add()
    add("other", **changes)
    with pytest.raises(ConfigError, match=reason):
        ensemble_settings(mlflow_home, "digits", ["1", "other/1"], {})


def test_a_version_whose_files_were_changed_is_refused_by_the_digest_of_the_registry(
    add: Add, mlflow_home: Home
) -> None:
    add()
    add()
    spec = registry.resolve(mlflow_home, "digits/2").folder / SPEC
    spec.write_text(spec.read_text() + " ")
    with pytest.raises(ConfigError, match=rf"digits version 2 is refused: .* {SPEC} was changed"):
        ensemble_settings(mlflow_home, "digits", ["1", "2"], {})


def test_versions_without_a_source_need_data_to_be_judged_on(add: Add, mlflow_home: Home, digits_bundle: Path) -> None:
    data = {key: value for key, value in read_spec(digits_bundle).data.items() if key != "source"}
    add(data=data)
    add(data=data)
    with pytest.raises(ConfigError, match="digits/1 does not record on which data it was trained"):
        ensemble_settings(mlflow_home, "digits", ["1", "2"], {})
    assert ensemble_settings(mlflow_home, "digits", ["1", "2"], {"ingest.data": "digits"})["ingest.data"] == "digits"


def test_versions_in_a_setting_come_back_as_they_were_written() -> None:
    versions = [VersionReference("digits", "3", "0123456789ab"), VersionReference("my-model", "12")]
    assert format_versions(versions) == "digits/3#0123456789ab,my-model/12"
    assert parse_versions(format_versions(versions)) == versions
    assert parse_versions("") == []
