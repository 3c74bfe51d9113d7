"""GPUs on a cluster: one switch, one number, and a runtime of their own."""

from typing import Any

import helm_python
import pytest

from forebay.cluster.rollout.inference_service import GPU_SERVING_RUNTIME, SERVING_RUNTIME
from support.helm_chart import Object, objects, render, scenario

GPUS = {"enabled": True, "quota": "2"}


def runtimes(values: dict[str, Any]) -> dict[str, Object]:
    found = [each for each in objects(values) if each["kind"] == "ServingRuntime"]
    return {each["metadata"]["name"]: each["spec"] for each in found}


def quota(values: dict[str, Any]) -> dict[str, str]:
    (found,) = [each for each in objects(values) if each["kind"] == "ResourceQuota"]
    hard: dict[str, str] = found["spec"]["hard"]
    return hard


def test_the_runtimes_have_the_names_that_the_deploy_step_asks_for() -> None:
    assert set(runtimes({})) == {SERVING_RUNTIME}
    assert set(runtimes({"gpu": GPUS})) == {SERVING_RUNTIME, GPU_SERVING_RUNTIME}


def test_only_models_on_gpus_are_sent_to_gpu_nodes() -> None:
    both = runtimes(scenario("cloud-gpu") | {"serving": {"nodeSelector": {"pool": "models"}}})
    plain, gpu = both[SERVING_RUNTIME], both[GPU_SERVING_RUNTIME]
    assert plain["nodeSelector"] == {"pool": "models"}
    assert "tolerations" not in plain
    assert gpu["nodeSelector"] == {"pool": "models", "node.kubernetes.io/instance-type": "p5.48xlarge"}
    assert gpu["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert gpu["containers"] == plain["containers"]


def test_the_two_runtimes_are_never_chosen_for_each_other() -> None:
    both = runtimes({"gpu": GPUS})
    chosen = {name: spec["supportedModelFormats"][0]["autoSelect"] for name, spec in both.items()}
    assert chosen == {SERVING_RUNTIME: True, GPU_SERVING_RUNTIME: False}


def test_the_quota_counts_the_resource_that_is_named_and_is_none_without_the_switch() -> None:
    assert quota({})["requests.nvidia.com/gpu"] == "0"
    assert quota(scenario("cloud-gpu"))["requests.nvidia.com/mig-1g.10gb"] == "4"


@pytest.mark.parametrize(
    "name",
    ["nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-1g.10gb.me",
     "nvidia.com/mig-1c.3g.40gb", "amd.com/gpu"],
)  # fmt: skip
def test_a_resource_name_that_device_plugins_use_is_taken(name: str) -> None:
    assert quota({"gpu": {**GPUS, "resource": name}})[f"requests.{name}"] == "2"


@pytest.mark.parametrize(
    "name", ["mig-1g.10gb", "nvidia.com/mig-8g.10gb", "nvidia.com/mig-1g", "nvidia.com/gpus", "nvidia.com/MIG-1g.10gb"]
)
def test_a_resource_name_that_is_none_is_refused_by_its_place(name: str) -> None:
    with pytest.raises(helm_python.HelmError, match="/gpu/resource"):
        render({"gpu": {**GPUS, "resource": name}})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gpu": {"quota": "4"}}, "gpu.quota is 4 and gpu.enabled is false: .* Set gpu.enabled=true, or gpu.quota=0"),
        ({"gpu": {"enabled": True}}, "gpu.enabled is true and gpu.quota is 0: .* number of nvidia.com/gpu"),
        ({"gpu": {"tolerations": [{"operator": "Exists"}]}}, "gpu.enabled is false: nothing would run there"),
        ({"quota": {"hard": {"requests.nvidia.com/gpu": "4"}}}, 'Set gpu.enabled=true and gpu.quota="4" instead'),
        ({"gpu": GPUS | {"tolerations": [{"effect": "NoShedule"}]}}, "/gpu/tolerations/0/effect"),
        ({"serving": {"tolerations": [{"kee": "x"}]}}, "/serving/tolerations/0"),
    ],
)
def test_gpus_that_cannot_be_had_are_refused_with_the_rule_and_the_fix(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm_python.HelmError, match=said):
        render(values)
