"""The registry: references, the champion, the way back, and words for what is not there."""

import os
import shutil
from pathlib import Path

import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.spec import read_spec
from forebay.errors import ModelError
from forebay.evaluate import evaluate
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home, StepLog
from support.made_once import home_with


def fill(home: Home, dataset: Path, bundle: Path) -> Home:
    """Register a real version 1 of `digits` and two more that share its files."""
    log = StepLog(name="register", run_id="run-1", home=home, events=home.root / "events.jsonl")
    found = evaluate(dataset, bundle, home.root / "evaluation", EvaluateConfig(), log)
    register(dataset, bundle, found.folder, RegisterConfig(), log)
    client = tracking.client(home)
    first = client.get_model_version("digits", "1")
    for _ in range(2):
        client.create_model_version("digits", first.source, first.run_id, first.tags)
    return home


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path, digits_shards: Path, digits_bundle: Path
) -> Home:
    return fill(home_with(mlflow_template, tmp_path_factory.mktemp("filled")), digits_shards, digits_bundle)


@pytest.fixture
def versions(home: Home, filled: Home) -> Home:
    """A registry of its own with three versions; their files are shared, so only to be read."""
    shutil.copy(filled.mlflow_database, home.mlflow_database)
    return home


def test_a_reference_leads_to_the_bundle(versions: Home, digits_bundle: Path) -> None:
    registry.set_champion(versions, "digits", "2")
    assert registry.resolve(versions, "digits").version == "2"
    assert registry.resolve(versions, "digits@champion").version == "2"
    found = registry.resolve(versions, "digits/3")
    assert found.version == "3"
    assert found.weights_sha256 == read_spec(digits_bundle).weights_sha256 == read_spec(found.folder).weights_sha256


def test_without_a_champion_the_bare_name_is_the_newest_version(versions: Home) -> None:
    assert registry.champion(versions, "digits") is None
    assert registry.resolve(versions, "digits").version == "3"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nope", r"no registered model 'nope'. Registered: digits"),
        ("nope@champion", r"no registered model 'nope'"),
        ("o'nope", r"no registered model"),
        ("digits/9", r"digits has no version '9'. Its versions, newest first: 3, 2, 1"),
        ("digits/latest", r"digits has no version 'latest'"),
        ("digits@staging", r"digits has no alias 'staging'. Its aliases: champion \(version 2\)"),
        ("digits@", r"does not name a model. Write NAME, NAME@champion or NAME/3"),
        ("/3", r"does not name a model"),
        ("", r"does not name a model"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(versions: Home, reference: str, words: str) -> None:
    registry.set_champion(versions, "digits", "2")
    with pytest.raises(ModelError, match=words):
        registry.resolve(versions, reference)


def test_an_unused_home_says_so_without_making_a_database(home: Home) -> None:
    with pytest.raises(ModelError, match=r"Registered: none yet. `forebay run` registers one"):
        registry.resolve(home, "digits@champion")
    assert registry.champion(home, "digits") is None
    assert registry.list_versions(home, "digits") == []
    assert not home.mlflow_database.exists()


def test_versions_are_listed_newest_first_with_the_champion_marked(versions: Home) -> None:
    registry.set_champion(versions, "digits", "1")
    found = registry.list_versions(versions, "digits")
    assert [(item.version, item.champion) for item in found] == [("3", False), ("2", False), ("1", True)]
    assert found[0].tags["forebay.run_id"] == "run-1"
    assert found[0].created.endswith("+00:00")
    assert registry.list_names(versions) == ["digits"]


def roll_back(home: Home) -> str:
    target = registry.previous_champion(home, "digits")
    registry.set_champion(home, "digits", target.version, back=True)
    return target.version


def test_rollback_goes_back_through_every_champion_in_turn(versions: Home) -> None:
    for version in ("1", "2", "3"):
        registry.set_champion(versions, "digits", version)
    assert [roll_back(versions), roll_back(versions)] == ["2", "1"]
    with pytest.raises(ModelError, match=r"no champion to go back to. Only version 1 was ever champion"):
        roll_back(versions)


def test_after_a_rollback_the_next_promotion_can_be_rolled_back_too(versions: Home) -> None:
    for version in ("1", "2"):
        registry.set_champion(versions, "digits", version)
    roll_back(versions)
    registry.set_champion(versions, "digits", "3")
    registry.set_champion(versions, "digits", "3")  # the same again is no second promotion
    assert roll_back(versions) == "1"


def test_going_back_and_forth_never_circles(versions: Home) -> None:
    for version in ("1", "2", "1", "3"):
        registry.set_champion(versions, "digits", version)
    assert [roll_back(versions), roll_back(versions), roll_back(versions)] == ["1", "2", "1"]
    with pytest.raises(ModelError, match="no champion to go back to"):
        roll_back(versions)


def test_a_kill_between_the_history_and_the_alias_changes_nothing(versions: Home) -> None:
    for version in ("1", "2"):
        registry.set_champion(versions, "digits", version)
    tracking.client(versions).set_registered_model_tag("digits", registry.CHAMPIONS_TAG, "1,2,3")  # the alias stayed
    assert registry.previous_champion(versions, "digits").version == "1"
    registry.set_champion(versions, "digits", "3")
    assert registry.previous_champion(versions, "digits").version == "2"


def test_a_name_without_champions_says_so(versions: Home) -> None:
    with pytest.raises(ModelError, match="No version was ever champion"):
        registry.previous_champion(versions, "digits")


def test_files_that_were_removed_are_named_with_the_fix(
    mlflow_home: Home, digits_shards: Path, digits_bundle: Path
) -> None:
    versions = fill(mlflow_home, digits_shards, digits_bundle)
    bundle = registry.resolve(versions, "digits/1").folder
    (bundle / "model.json").unlink()
    with pytest.raises(ModelError, match=r"digits version 1: no model bundle in .* register the model again"):
        registry.resolve(versions, "digits/1")


def test_two_homes_in_one_process_never_mix(versions: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "second").open()
    assert registry.list_versions(other, "digits") == []
    assert MLFLOW_URI not in os.environ
    assert tracking.tracking_uri(other) != tracking.tracking_uri(versions)
