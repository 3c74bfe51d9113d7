"""`forebay down`: it asks, keeps volumes unless told, removes only what is ours, and may be given again."""

import pytest

from support.install_machine import Machine


@pytest.fixture
def installed(machine: Machine) -> Machine:
    machine.up()
    machine.calls()
    return machine


def test_nothing_goes_without_a_yes_and_the_question_names_what_goes(installed: Machine) -> None:
    installed.change(instances=["inferenceservice.serving.kserve.io/digits"])
    said = installed.down(expect=2).stderr
    assert (
        "Remove Forebay from the cluster of the context work? Of inferenceservices.serving.kserve.io go: digits."
        in said
    )
    assert "add --yes. Nothing was changed." in said
    assert installed.calls() == []


def test_the_question_names_the_volumes_that_go_and_what_is_of_others(installed: Machine) -> None:
    installed.change(others={"kubeflow": ["deployment.apps/theirs"]})
    said = installed.down("--delete-data", expect=2).stderr
    assert "All volumes and passwords go, with the namespaces cert-manager, forebay, forebay-models, kser" in said
    assert "They also hold objects of others: kubeflow/deployment.apps/theirs." in said


def test_served_models_go_first_and_the_rest_in_the_reverse_order(installed: Machine) -> None:
    installed.change(instances=["workflow.argoproj.io/run-1", "inferenceservice.serving.kserve.io/digits"])
    installed.down("--yes")
    calls = installed.calls()
    order = ("inferenceservices", "workflows", "piece=pipelines ", "uninstall", "piece=pipelines-crds", "piece=kserve ",
             "piece=kserve-crds", "piece=cert-manager")  # fmt: skip
    assert len(calls) == len(order)
    assert [word in call for word, call in zip(order, calls, strict=True)] == [True] * len(order)


def test_volumes_passwords_and_namespaces_stay(installed: Machine) -> None:
    said = installed.down("--yes").stdout
    for call in installed.calls():
        assert not any(word in call for word in ("persistentvolume", "secret", "delete namespace", ",namespace"))
    assert "Volumes and passwords stay, in the namespaces cert-manager, forebay, forebay-models, kserve, kubefl" in said


def test_the_second_down_changes_nothing(installed: Machine) -> None:
    installed.down("--yes")
    installed.calls()
    said = installed.down().stdout  # there is nothing to ask about
    assert installed.calls() == []
    assert "Nothing of Forebay runs there now." in said


def test_the_dry_run_prints_what_then_runs(installed: Machine) -> None:
    printed = installed.down("--delete-data", "--dry-run").stdout.splitlines()
    assert installed.calls() == []
    installed.down("--delete-data", "--yes")
    assert [line for line in printed if not line.startswith("#")] == installed.calls()


def test_only_namespaces_that_up_made_are_deleted(machine: Machine) -> None:
    before = {"kubeflow": {"labels": {"mine": "1"}}, "default": {}}
    machine.change(namespaces=before)
    machine.up()
    machine.calls()
    machine.down("--delete-data", "--yes")
    calls = machine.calls()
    assert calls[-1] == (
        "kubectl --context work delete namespaces cert-manager forebay forebay-models kserve "
        "--ignore-not-found --timeout 900s"
    )
    in_kubeflow = [call for call in calls if "--namespace kubeflow" in call]
    assert all("delete persistentvolumeclaims,secrets --namespace kubeflow --selector" in call for call in in_kubeflow)
    assert len(in_kubeflow) == 2
    assert machine.state["namespaces"] == {"kubeflow": {"labels": {"mine": "1"}, "annotations": {}}, "default": {}}


def test_a_namespace_that_was_there_gets_its_pod_security_back(machine: Machine) -> None:
    level = "pod-security.kubernetes.io/enforce"
    machine.change(namespaces={"kubeflow": {"labels": {level: "baseline"}}})
    machine.up()
    assert machine.state["namespaces"]["kubeflow"]["labels"][level] == "restricted"
    machine.calls()
    machine.down("--yes")
    words = f"label namespace kubeflow {level}=baseline pod-security.kubernetes.io/warn- --overwrite"
    assert f"kubectl --context work {words}" in machine.calls()
    machine.down()
    assert machine.calls() == []
    machine.up()
    assert machine.state["namespaces"]["kubeflow"]["labels"][level] == "restricted"


def test_what_somebody_else_installed_is_never_named(machine: Machine) -> None:
    machine.change(definitions={"certificates.cert-manager.io": ""}, namespaces={"cert-manager": {}})
    machine.up("--without", "cert-manager")
    machine.calls()
    machine.down("--yes")
    assert not any("cert-manager" in call for call in machine.calls())
    assert machine.state["definitions"] == {"certificates.cert-manager.io": ""}


def test_a_failure_in_the_middle_and_the_next_try_completes(installed: Machine) -> None:
    installed.fails("uninstall forebay", "Error: uninstallation completed with 1 error(s)")
    said = installed.down("--yes", expect=1).stderr
    assert "`forebay down --cluster current --context work` again: it goes on from what is there" in said
    installed.down("--yes")
    assert installed.state["release"] is None
    assert installed.state["definitions"] == {}


def test_a_cluster_that_does_not_answer_is_refused_and_its_dry_run_says_so(installed: Machine) -> None:
    installed.change(answers=False)
    assert "The cluster of the context work does not answer" in installed.down("--yes", expect=2).stderr
    said = installed.down("--dry-run").stdout
    assert "# The cluster was not looked at, so only the chart is listed." in said
    assert "uninstall forebay" in said


def test_kind_keeps_its_cluster_and_volumes_unless_told(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    machine.up(cluster="kind")
    machine.calls()
    machine.down("--yes", cluster="kind")
    assert not any(call.startswith("kind") for call in machine.calls())
    assert "with every volume, model and run in it?" in machine.down("--delete-data", cluster="kind", expect=2).stderr
    machine.down("--delete-data", "--yes", cluster="kind")
    assert machine.calls() == ["kind delete cluster --name forebay"]
    said = machine.down("--delete-data", cluster="kind").stdout
    assert said == "There is no kind cluster of ours: nothing to remove.\n"


def test_a_kind_cluster_that_somebody_made_stays(machine: Machine) -> None:
    machine.change(clusters=["forebay"], contexts=["kind-forebay"])
    machine.up("--yes", cluster="kind")
    machine.calls()
    said = machine.down("--delete-data", "--yes", cluster="kind").stdout
    assert "The kind cluster forebay itself stays" in said
    assert "`kind delete cluster --name forebay` removes it" in said
    calls = machine.calls()
    assert any("delete namespaces" in call for call in calls)
    assert not any(call.startswith("kind") for call in calls)
