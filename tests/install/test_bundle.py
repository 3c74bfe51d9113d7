"""`forebay bundle`: the list is whole, and what it saves and loads is what the airgap overlay then asks for."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay import container_images
from forebay.cli.main import group
from forebay.errors import ConfigError
from forebay.install.air_gap import (
    PlatformImage,
    image_replacements,
    load_commands,
    platform_images,
    save_commands,
    write_rendered_manifests,
)
from forebay.install.charts import sources
from forebay.install.charts.render import render_folder
from forebay.weights import EMBEDDED_NAME
from forebay.weights.store import list_store
from support.helm_chart import objects, scenario
from support.kustomize_manifests import MANIFESTS
from support.manifest_checks import pods
from support.small_manifests import write_manifests

REGISTRY = "registry.example.com/team"


@pytest.fixture(scope="module")
def found() -> list[PlatformImage]:
    return platform_images(sources.find_sources())


def test_every_image_that_the_chart_runs_and_every_step_is_in_it(found: list[PlatformImage]) -> None:
    names = {image.name for image in found}
    of_chart = {container["image"] for pod in pods(objects(scenario("kind"))) for container in pod.spec["containers"]}
    assert of_chart <= names
    assert set(container_images.RUN_IMAGES) <= names
    assert len(names) == len(found)


@pytest.mark.parametrize("overlay", ["airgap"])
def test_the_overlay_asks_for_the_names_that_load_pushes(found: list[PlatformImage], overlay: str) -> None:
    text = "".join(path.read_text() for path in (MANIFESTS / "overlays" / overlay).glob("*.yaml"))
    mirror = sources.find_sources().overlay_registry()
    for image in found:
        if image.owner not in {"forebay", "chart", *sources.OPTIONAL_PIECES}:
            assert image.mirrored_name(mirror).rpartition(":")[0] in text, image.name


def test_an_image_that_stands_in_an_argument_is_renamed_too(found: list[PlatformImage]) -> None:
    (solver,) = [image.name for image in found if "acmesolver" in image.name]
    renames = image_replacements(sources.find_sources(), REGISTRY)
    assert renames[f"-image={solver}"] == f"-image={REGISTRY}/{solver.partition('/')[2]}"


def test_saving_pulls_what_is_missing_and_the_file_is_whole_or_absent(found: list[PlatformImage]) -> None:
    present = [image.name for image in found if image.ours]
    lines = [planned.shell_line() for planned in save_commands(found, present, Path("/tmp/platform.tar"))]
    pulled = [line.split()[-1] for line in lines if line.startswith("docker pull")]
    assert pulled == [image.name for image in found if not image.ours]
    assert lines[-2].startswith("docker save --output /tmp/.platform.tar.part forebay/pipeline:")
    assert lines[-1] == "mv /tmp/.platform.tar.part /tmp/platform.tar"


def test_loading_tags_and_pushes_every_image_under_its_path_without_the_host(found: list[PlatformImage]) -> None:
    lines = [planned.shell_line() for planned in load_commands(found, Path("/tmp/platform.tar"), REGISTRY)]
    assert lines[0] == "docker load --quiet --input /tmp/platform.tar"
    assert len(lines) == 1 + 2 * len(found)
    assert f"docker push --quiet {REGISTRY}/library/mysql:8.4" in lines
    assert f"docker tag {container_images.TRAIN} {container_images.image_name('train', REGISTRY)}" in lines


def test_the_list_names_whose_an_image_is_or_how_its_digest_is_found() -> None:
    listed = CliRunner().invoke(group, ["bundle", "list"]).output.splitlines()
    assert f"{container_images.SERVE}\tforebay" in listed
    digests = CliRunner().invoke(group, ["bundle", "list", "--digests"]).output.splitlines()
    assert len(digests) == len(listed)
    assert all("docker " in line for line in digests)


@pytest.fixture
def recording_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that has our images, and writes down what it is told."""
    program, said = tmp_path / "bin" / "docker", tmp_path / "said"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> {said}\n'
        'case "$*" in\n'
        '"image inspect forebay/"*) echo \'[{"Id": "sha256:1", "RootFS": {"Layers": ["a"]}}]\';;\n'
        '"image inspect"*) echo "Error: No such image" >&2; exit 1;;\n'
        'save*) : > "$3";;\n'
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FOREBAY_HOME", str(tmp_path / "home"))
    return said


def test_weights_that_are_asked_for_come_along_as_a_store(recording_docker: Path, tmp_path: Path) -> None:
    file, manifests = tmp_path / "platform.tar", write_manifests(tmp_path / "manifests")
    words = ["bundle", "save", str(file), "--manifests", str(manifests), "--weights", f"timm/{EMBEDDED_NAME}"]
    dry = CliRunner().invoke(group, [*words, "--dry-run"])
    assert f"forebay weights fetch timm/{EMBEDDED_NAME} --to {tmp_path}/platform.weights\n" in dry.output
    assert not (tmp_path / "home").exists()
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert [record.name for record in list_store(str(tmp_path / "platform.weights"))] == [f"timm/{EMBEDDED_NAME}"]
    refused = CliRunner().invoke(group, ["bundle", "list", "--weights", "timm/resnet18"])
    assert "`forebay bundle list` takes no --weights" in refused.output


def test_a_dry_run_prints_what_the_real_one_does(recording_docker: Path, tmp_path: Path) -> None:
    file, manifests = tmp_path / "platform.tar", write_manifests(tmp_path / "manifests")
    found = platform_images(sources.find_sources(manifests))
    words = ["bundle", "save", str(file), "--manifests", str(manifests)]
    dry = CliRunner().invoke(group, [*words, "--dry-run"])
    assert dry.exit_code == 0
    recording_docker.unlink()
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert f"{len(found)} images are in {file}." in done.output
    told = [f"docker {line}" for line in recording_docker.read_text().splitlines() if "inspect" not in line]
    assert told == [line for line in dry.output.splitlines() if not line.startswith("mv ")]
    assert file.is_file()
    assert sorted(path.name for path in tmp_path.glob("platform.*")) == ["platform.manifests", "platform.tar"]


def test_behind_the_gap_the_manifests_that_were_saved_render_the_same_without_fetching(tmp_path: Path) -> None:
    lying = sources.find_sources(write_manifests(tmp_path / "manifests"))
    saved = sources.find_sources(write_rendered_manifests(lying, tmp_path / "saved"))
    write_rendered_manifests(lying, tmp_path / "saved")
    with pytest.raises(ConfigError, match="was not written by this command"):
        write_rendered_manifests(lying, lying.manifests)
    folders = [sources.InstallSources.overlay_folder(each, "airgap") for each in (lying, saved)]
    assert render_folder(folders[0]) == render_folder(folders[1])
    assert render_folder(lying.optional_folder("trainer")) == render_folder(saved.optional_folder("trainer"))
    assert "resources: [rendered.yaml]" in (folders[1] / "kustomization.yaml").read_text()
    assert (saved.overlay_registry(), saved.upstream_images(), saved.kubernetes_versions()) == (
        lying.overlay_registry(),
        lying.upstream_images(),
        lying.kubernetes_versions(),
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["save"], "`forebay bundle save` needs a FILE"),
        (["load", "absent.tar", "--registry", REGISTRY], "absent.tar is not there"),
        (["load", "absent.tar"], "--registry takes a host and a path such as registry.example.com/team, got ''"),
        (["load", "absent.tar", "--registry", "https://x/"], "--registry takes a host and a path"),
        (["list", "platform.tar"], "takes neither a FILE nor --registry. Did you mean save or load?"),
        (["send", "x"], "'send' is not one of 'list', 'save', 'load'"),
    ],
)
@pytest.mark.usefixtures("recording_docker")
def test_what_is_missing_or_wrong_is_named(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(group, ["bundle", *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_an_image_of_ours_that_was_not_built_is_named_with_the_command_that_builds_it(
    recording_docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = recording_docker.parent / "bin" / "docker"
    program.write_text('#!/bin/sh\necho "Error: No such image" >&2\nexit 1\n')
    done = subprocess.run(
        [sys.executable, "-m", "forebay", "bundle", "save", "x.tar"],
        capture_output=True,
        text=True,
        check=False,
        cwd=recording_docker.parent,
    )
    assert done.returncode == 2
    assert f"The engine has no container image {container_images.PIPELINE}. `make images`" in done.stderr
