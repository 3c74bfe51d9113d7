"""What manifests/write.py and add_up.py write is what lies there, and a version of others has one place."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubernetes.utils import parse_quantity

from forebay.cluster.rollout.inference_service import ModelDeployment, ServerResources, inference_service
from forebay.settings import DeployConfig
from support.helm_chart import RELEASE, SCENARIOS, Object, objects, scenario
from support.kustomize_manifests import CHECKOUTS, MANIFESTS, OVERLAYS, copy_with_checkouts

Rendered = dict[str, list[Object]]
ROOT = MANIFESTS.parent
WRITTEN = ("upstream", "overlays/airgap", "images.yaml", "README.md")  # by the scripts


def texts(folder: Path) -> dict[str, str]:
    """Every file that the scripts write, by its name."""
    found = [path for name in WRITTEN for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def test_what_is_written_from_the_versions_lies_there(tmp_path: Path) -> None:
    copy = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    shutil.rmtree(copy / "upstream")
    shutil.rmtree(copy / "overlays" / "airgap")
    subprocess.run([sys.executable, str(copy / "write.py")], check=True)
    assert texts(copy) == texts(MANIFESTS), "make golden"


@pytest.mark.usefixtures("on_upstream")
def test_the_images_and_the_sum_of_requests_are_those_of_the_pinned_manifests(tmp_path: Path) -> None:
    manifests = copy_with_checkouts(tmp_path / "rendered", Path(os.environ[CHECKOUTS]))
    (tmp_path / "helm").symlink_to(ROOT / "helm")
    copy = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    for script in (["write.py", "--images"], ["add_up.py"]):
        command = [sys.executable, str(copy / script[0]), *script[1:], "--rendered-from", str(manifests)]
        subprocess.run(command, check=True)
    assert texts(copy) == texts(MANIFESTS), "python manifests/write.py --images and python manifests/add_up.py"


def test_a_version_of_others_stands_in_one_place() -> None:
    versions = {
        pinned["version"] for pinned in yaml.safe_load((MANIFESTS / "versions.yaml").read_text())["upstream"].values()
    }
    written = {MANIFESTS / name for name in texts(MANIFESTS)} | {MANIFESTS / "versions.yaml"}
    for folder in ("manifests", "helm", "src", "docker", "pipelines", "components", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if (
                path.is_file()
                and path not in written
                and path.suffix in {".yaml", ".py", ".tpl", ".md", ".sh", ".txt", ".json"}
            ):
                found = [
                    version
                    for version in versions
                    if re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", path.read_text())
                ]
                assert found == [], path


def test_the_chart_and_the_manifests_ask_for_the_same_kubernetes() -> None:
    minimum = yaml.safe_load((MANIFESTS / "versions.yaml").read_text())["kubernetes"]["minimum"]
    assert yaml.safe_load((ROOT / "helm" / "forebay" / "Chart.yaml").read_text())["kubeVersion"] == f">={minimum}.0-0"


def test_our_part_of_all_requests_fits_beside_the_others() -> None:
    found = objects(scenario("kind"))
    specs = [each["spec"]["template"]["spec"] for each in found if each["kind"] in {"Deployment", "StatefulSet"}]
    specs += [each["spec"] for each in found if each["kind"] == "ServingRuntime"]
    asked = [container["resources"]["requests"] for spec in specs for container in spec["containers"]]
    assert sum(parse_quantity(one["cpu"]) for one in asked) <= 1
    assert sum(parse_quantity(one["memory"]) for one in asked) <= 3 * 2**30


def test_the_table_of_requests_stays_below_what_a_laptop_can_spare() -> None:
    total = re.search(
        r"\| \*\*all\*\* \| \| \*\*([\d.]+)\*\* \| \*\*(\d+)\*\* \|", (MANIFESTS / "README.md").read_text()
    )
    assert total is not None
    assert float(total[1]) <= 2.5
    assert int(total[2]) <= 6 * 1024


def test_the_table_counts_a_served_model_as_the_deploy_step_asks_for_it_and_adds_up() -> None:
    rows = re.findall(r"^\| [a-z-]+ \| ([\w -]+) \| ([\d.]+) \| (\d+) \|$", (MANIFESTS / "README.md").read_text(), re.M)
    asked = {name: (float(cpu), int(memory)) for name, cpu, memory in rows}
    wanted = inference_service(
        ModelDeployment(
            name="m", namespace="n", version="1", storage_uri="s3://b/m", weights_sha256="", data_digest="",
            code_version="", run_id="", resources=ServerResources(memory=DeployConfig().memory),
        )
    )  # fmt: skip
    requests = wanted["spec"]["predictor"]["model"]["resources"]["requests"]
    assert asked["one served model"] == (
        float(parse_quantity(requests["cpu"])),
        int(parse_quantity(requests["memory"])) // 2**20,
    )
    memory = sum(row[1] for row in asked.values())
    assert (
        f"| **all** | | **{sum(row[0] for row in asked.values()):.3f}** | **{memory}** |"
        in (MANIFESTS / "README.md").read_text()
    )
    assert f"asks for 1 CPU and {memory / 1024:.1f} GiB (table in" in (ROOT / "docs" / "kubernetes.md").read_text()


@pytest.mark.parametrize("where", ["standins", "upstream"])
@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_object_has_two_owners(name: str, overlay: str, where: str, request: pytest.FixtureRequest) -> None:
    rendered: Rendered = request.getfixturevalue(f"on_{where}")

    def keys(found: list[Object]) -> set[tuple[str, str | None, str]]:
        return {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in found}

    chart = keys(objects(scenario(name)))
    assert {namespace for _, namespace, _ in chart} <= {RELEASE, "kubeflow", "forebay-models", None}
    assert chart & keys(rendered[overlay]) == set()
