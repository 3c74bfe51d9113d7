"""Rights: the chart grants the deploy step what its own table says, and nobody everything."""

import copy
import re

import pytest

from forebay.cluster.rollout.access import CLUSTER_ACCESS, rights
from forebay.cluster.spark.access import DRIVER_ACCESS, STEP_ACCESS
from forebay.cluster.training.train_job import rights as train_rights
from forebay.kube.access import single_rights
from support.helm_chart import CHART, SCENARIOS, objects, scenario
from support.manifest_checks import Object, check_roles

DEPLOYER = "forebay-deployer"


@pytest.fixture(scope="module")
def found() -> list[Object]:
    return objects(scenario("kind"))


def test_the_deployer_may_do_exactly_what_the_deploy_step_does(found: list[Object]) -> None:
    assert check_roles(found, DEPLOYER, rights()) == []
    assert all(use.why and use.verbs for use in CLUSTER_ACCESS)


@pytest.mark.parametrize(
    ("rule", "verbs", "said"),
    [
        (0, ["get", "watch", "create", "patch", "delete", "update"], "grants update on inferenceservices of serving"),
        (0, ["get", "watch", "create", "patch"], "does not grant delete on inferenceservices of serving.kserve.io"),
        (1, ["list", "delete"], "grants delete on pods, which nothing uses"),
    ],
)
def test_a_right_too_many_or_too_few_is_found(found: list[Object], rule: int, verbs: list[str], said: str) -> None:
    changed = copy.deepcopy(found)
    next(each for each in changed if each["metadata"]["name"] == DEPLOYER)["rules"][rule]["verbs"] = verbs
    assert said in " ".join(map(str, check_roles(changed, DEPLOYER, rights())))


def test_a_role_that_is_gone_is_found() -> None:
    assert [str(each) for each in check_roles([], DEPLOYER, rights())] == [
        f"Role {DEPLOYER}: metadata.name: 0 roles have this name"
    ]


def test_an_ingest_with_executors_may_do_exactly_what_step_and_driver_do() -> None:
    found = objects(scenario("kind") | {"spark": {"enabled": True}})
    assert check_roles(found, "forebay-spark-runner", single_rights(STEP_ACCESS)) == []
    assert check_roles(found, "forebay-spark", single_rights(DRIVER_ACCESS)) == []
    assert all(use.why and use.verbs for use in (*STEP_ACCESS, *DRIVER_ACCESS))
    bound = {
        each["roleRef"]["name"]: (each["subjects"][0]["name"], each["metadata"]["namespace"])
        for each in found
        if each["kind"] == "RoleBinding"
    }
    assert bound["forebay-spark-runner"] == ("pipeline-runner", "kubeflow")
    assert bound["forebay-spark"] == ("forebay-spark", "kubeflow")


def test_without_executors_nobody_may_make_pods(found: list[Object]) -> None:
    assert not [each for each in found if "spark" in each["metadata"]["name"]]


def test_where_several_machines_train_the_runner_may_do_exactly_what_the_train_step_does(found: list[Object]) -> None:
    assert check_roles(found, "forebay-trainer", train_rights())[0].rule == "0 roles have this name"
    assert check_roles(objects({"trainer": {"enabled": True}}), "forebay-trainer", train_rights()) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_binding_names_one_account_and_nothing_spans_the_cluster(name: str) -> None:
    for each in objects(scenario(name)):
        assert each["kind"] not in ("ClusterRole", "ClusterRoleBinding")
        if each["kind"] == "RoleBinding":
            assert [subject["kind"] for subject in each["subjects"]] == ["ServiceAccount"]


def test_no_template_writes_a_wildcard_even_behind_a_switch() -> None:
    for path in CHART.glob("templates/**/*.yaml"):
        text = path.read_text()
        if re.search(r"^kind: (Cluster)?Role$", text, re.M):
            assert not re.search(r"[\[\"' ]\*[\]\"',]", text), path
