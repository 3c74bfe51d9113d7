"""A mounted folder: KServe's convention, the names that follow from it, and errors that name what is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.contracts.bundles.digest import bundle_digest
from forebay.contracts.bundles.spec import WEIGHTS
from forebay.errors import ConfigError, ModelError
from forebay.serving.repository.bundle_folder import find_bundles
from forebay.serving.repository.load_bundle import load_for_serving


def test_a_bundle_itself_is_served_under_its_dataset_or_the_given_name(bundles: Path) -> None:
    [(name, served)] = find_bundles(bundles / "grey", None, None).items()
    assert name == "tiny"
    assert served.version == served.weights_sha256[:12]
    [(name, served)] = find_bundles(bundles / "grey", "digits", "3").items()
    assert (name, served.version) == ("digits", "3")


def test_sub_folders_give_their_own_names(bundles: Path) -> None:
    assert list(find_bundles(bundles, None, None)) == ["colour", "grey"]


def test_one_name_for_several_bundles_is_refused(bundles: Path) -> None:
    with pytest.raises(ConfigError, match="--model-name digits was given for 2 bundles"):
        find_bundles(bundles, "digits", None)


def test_an_empty_folder_is_refused_with_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model bundle: neither model.json"):
        find_bundles(tmp_path, None, None)


def test_changed_weights_are_refused(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "grey", tmp_path / "grey")
    (tmp_path / "grey" / WEIGHTS).write_bytes(b"other")
    [found] = find_bundles(tmp_path).values()
    with pytest.raises(ModelError, match="changed or cut short"):
        load_for_serving(found)


def test_a_digest_is_of_one_bundle_and_another_one_is_refused(bundles: Path) -> None:
    with pytest.raises(ConfigError, match=r"--bundle-digest abc was given for 2 bundles"):
        find_bundles(bundles, digest="abc")
    [found] = find_bundles(bundles / "grey", digest=bundle_digest(bundles / "grey")).values()
    load_for_serving(found)
    [found] = find_bundles(bundles / "grey", digest=bundle_digest(bundles / "colour")).values()
    with pytest.raises(ModelError, match="is not the bundle that was registered"):
        load_for_serving(found)


def test_a_server_whose_only_bundle_is_another_one_ends_and_says_which_file(bundles: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "forebay.serving", "--models", str(bundles / "grey"), "--port", "0"]
    ended = subprocess.run([*words, "--bundle-digest", "0" * 64], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 2
    assert f"error: {bundles / 'grey'} is not the bundle that was registered" in ended.stderr
