"""What cannot work is refused with the value, the rule and the fix, and nothing is applied."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay.install.facts.kubernetes_objects import quantity
from forebay.install.plan.requirements import LARGEST_STEP_CPU, LARGEST_STEP_MEMORY
from support.install_machine import Machine
from support.paths import ROOT


def refused(machine: Machine, *words: object) -> str:
    """The one paragraph; nothing was changed."""
    said = machine.up(*words, expect=2).stderr
    assert machine.calls() == []
    assert said.startswith("Error: ")
    return said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minor": "29"}, "Its Kubernetes is 1.29, and 1.30 or newer is needed. Update it, or take another cluster"),
        ({"admin": False}, "definitions and cluster roles can be installed by a cluster administrator only"),
        (
            {"classes": {"fast": False}},
            "It has no default storage class, and PersistentVolumeClaim mysql-pv-claim asks",
        ),
        (
            {"allocatable": {"cpu": "0.3", "memory": "8Gi"}},
            "Its ready nodes have 0.3 CPUs free, and 0.75 are requested",
        ),
        ({"allocatable": {"cpu": "4", "memory": "1Gi"}}, "Its ready nodes have 1.0 GiB of memory free, and 1.6 GiB"),
        ({"requests": ["shop 3600m,100m 1Gi", "kube-system 20m <none>"]}, "Its ready nodes have 0.28 CPUs free, and"),
        (
            {"definitions": {"certificates.cert-manager.io": ""}},
            "cert-manager is there already, and not from `forebay up` (certificates.cert-manager.io has no label",
        ),
        ({"answers": False}, "The cluster of the context work does not answer: The connection to the server"),
        ({"context": ""}, "No context is current (error: current-context is not set). Name one with --context"),
    ],
)
def test_a_cluster_that_will_not_do(machine: Machine, change: dict[str, Any], words: str) -> None:
    machine.change(**change)
    assert words in refused(machine)


def test_a_cluster_on_which_a_step_will_wait_is_taken_with_a_note(machine: Machine) -> None:
    machine.change(allocatable={"cpu": "1", "memory": "8Gi"})
    said = machine.up().stdout
    assert "Beside all this, 0.25 CPUs and 6.4 GiB stay free on the ready nodes, and the training step of a" in said


def test_the_note_counts_with_the_largest_step_of_the_compiled_pipeline() -> None:
    compiled = ROOT / "pipelines" / "compiled" / "training.yaml"
    executors = next(yaml.safe_load_all(compiled.read_text()))["deploymentSpec"]["executors"].values()
    resources = [each["container"]["resources"] for each in executors]
    assert max(quantity(each["resourceCpuRequest"]) for each in resources) == LARGEST_STEP_CPU
    assert max(quantity(each["resourceMemoryRequest"]) for each in resources) == LARGEST_STEP_MEMORY


def test_a_namespace_that_nobody_makes_is_refused_before_anything_is_applied(machine: Machine) -> None:
    said = refused(machine, "--without", "pipelines", "--without", "pipelines-crds")
    assert "There is no namespace 'kubeflow', which pipelines.namespace" in said
    assert "names, and the piece that makes it is excluded. Make it (`kubectl create namespace kubeflow`)" in said


def test_every_reason_is_said_at_once(machine: Machine) -> None:
    machine.change(minor="29", classes={})
    said = refused(machine)
    assert "(1) Its Kubernetes is 1.29" in said
    assert "(2) It has no default storage class" in said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("postgres: {storage: {className: gp3}}", "There is no storage class 'gp3', which postgres.storage.className"),
        (
            "s3: {existingSecret: mine}",
            "There is no Secret 'mine' in the namespace forebay, which s3.existingSecret names. Make it: `kubectl "
            "create namespace forebay`, then `kubectl create secret generic mine --namespace forebay "
            "--from-literal access-key=… --from-literal secret-key=…`",
        ),
        ('gpu: {enabled: true, quota: "1"}', "gpu.enabled is true and no ready node offers nvidia.com/gpu"),
        ('gpu: {quota: "2"}', "gpu.quota is 2 and gpu.enabled is false: no served model may take a GPU."),
        ("externalS3: {endpoint: http://s3}", 'objectStore.mode is bundled, externalS3.endpoint is "http://s3" and '),
        ("database: {mode: external}", "database.mode is external, externalDatabase.host is "),
        ("mlflow: {replicas: two}", "The chart refuses these values: "),
        ("monitoring: {enabled: true}", "It has no kinds of monitoring.coreos.com"),
        ("a: [", "is no YAML: while parsing a flow node"),
        ("- a", "holds a list, and values must be a map"),
    ],
)
def test_values_that_will_not_do(machine: Machine, values: str, words: str) -> None:
    file = machine.forebay.folder / "mine.yaml"
    file.write_text(values)
    assert words in refused(machine, "--values", file)


def test_a_secret_without_a_key_is_named_with_the_keys_that_it_has(machine: Machine) -> None:
    file = machine.forebay.folder / "mine.yaml"
    file.write_text("s3: {existingSecret: mine}\n")
    machine.change(secrets={"forebay/mine": ["access-key", "password"]})
    words = "The Secret 'mine' in forebay, which s3.existingSecret names, has no key secret-key; it has access-key, pas"
    assert words in refused(machine, "--values", file)
    of_steps = {"kubeflow/mlpipeline-minio-artifact": ["accesskey", "secretkey"]}
    machine.change(secrets={"forebay/mine": ["access-key", "secret-key"], **of_steps})
    machine.up("--values", file)


def test_a_file_of_values_that_is_not_there(machine: Machine) -> None:
    assert "nowhere.yaml cannot be read: No such file or directory" in refused(machine, "--values", "nowhere.yaml")


def test_an_unknown_scenario_names_the_known_ones(machine: Machine) -> None:
    said = refused(machine, "--overlay", "moon")
    assert said == "Error: --overlay moon: there is no such scenario. Take one of: airgap, cloud-gpu, kind.\n"


@pytest.mark.parametrize("name", ["kubectl", "helm", "kind", "docker"])
def test_a_missing_tool_is_named_with_where_it_comes_from(machine: Machine, name: str, tmp_path: Path) -> None:
    programs = tmp_path / "few"
    programs.mkdir()
    for other in {"kubectl", "helm", "kind", "docker"} - {name}:
        (programs / other).symlink_to(tmp_path / "bin" / other)
    machine.forebay.environment["PATH"] = str(programs)
    said = machine.up(cluster="kind", expect=2).stderr
    assert f"`{name}` is not on the PATH, and this command needs it." in said


def test_a_context_that_does_not_exist(machine: Machine) -> None:
    said = refused(machine, "--context", "moon")
    assert 'The cluster of the context moon does not answer: error: context "moon" does not exist' in said


def test_a_registry_without_the_airgap_scenario(machine: Machine) -> None:
    assert "--registry r goes with --overlay airgap, and the scenario is kind" in refused(machine, "--registry", "r")


def test_a_registry_that_is_none(machine: Machine) -> None:
    said = refused(machine, "--overlay", "airgap", "--registry", "https://registry.acme.com/x")
    assert "--registry takes a host and a path such as registry.example.com/team, got 'https://" in said


def test_the_airgap_scenario_without_a_registry(machine: Machine) -> None:
    words = (
        "--overlay airgap takes every container image from registry.example.com/forebay, which is an example. Copy them"
    )
    assert words in refused(machine, "--overlay", "airgap")


def test_another_cluster_is_not_acted_on_without_a_yes(machine: Machine) -> None:
    said = machine.forebay("up", "--cluster", "current", "--manifests", machine.manifests, expect=2).stderr
    assert "Install Forebay on the cluster of the context work? Nobody can answer here: add --yes." in said
    assert machine.calls() == []


def test_an_object_of_no_piece_is_a_fault_of_the_manifests(machine: Machine) -> None:
    path = machine.manifests / "base" / "all.yaml"
    path.write_text(path.read_text().replace("forebay.dev/piece: kserve}", "forebay.dev/piece: kserv}"))
    assert "has the label forebay.dev/piece: kserv, which is none of namespaces, cert-manager" in refused(machine)


def test_the_real_helm_refuses_both_s3_modes_in_the_charts_own_words(machine: Machine) -> None:
    if not machine.forebay.environment["DOUBLE_HELM"]:
        pytest.skip("helm is not on the PATH; the test above asks Helm's library")
    assert os.access(machine.forebay.environment["DOUBLE_HELM"], os.X_OK)
    file = machine.forebay.folder / "mine.yaml"
    file.write_text("externalS3: {endpoint: http://s3}\n")
    said = refused(machine, "--values", file)
    assert said.startswith("Error: The chart refuses these values: objectStore.mode is bundled, externalS3.endpoint is")


@pytest.mark.parametrize(
    ("text", "number"),
    [("24581692Ki", 24581692 * 1024), ("250m", Decimal("0.25")), ("1Gi", 2**30), ("2", 2), ("2e3", 2000), ("much", 0)],
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: str, number: Decimal | int) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize(("definitions", "workers"), [("kserve-crds", "kserve"), ("pipelines-crds", "pipelines")])
def test_what_works_by_somebody_elses_definitions_is_not_taken_over(
    machine: Machine, definitions: str, workers: str
) -> None:
    said = refused(machine, "--without", definitions)
    assert f"--without {definitions} goes with --without {workers}" in said


def test_a_foreign_definition_is_refused_with_both_options(machine: Machine) -> None:
    machine.change(definitions={"inferenceservices.serving.kserve.io": ""})
    assert "Leave it as it is with --without kserve-crds --without kserve" in refused(machine)


def test_the_examples_bucket_is_nobodys_to_use(machine: Machine) -> None:
    path = machine.manifests / "base" / "all.yaml"
    path.write_text(path.read_text().replace("app: mysql", "app: acme-forebay-pipelines"))
    assert "keeps artifacts in the bucket acme-forebay-pipelines, which is an example." in refused(machine)


EXTERNAL = "objectStore: {mode: external}\nexternalS3: {endpoint: http://s3}\n"


def test_with_a_store_of_ones_own_the_secret_that_steps_read_must_be_there(machine: Machine) -> None:
    file = machine.forebay.folder / "mine.yaml"
    file.write_text(EXTERNAL)
    words = "There is no Secret 'mlpipeline-minio-artifact' in the namespace kubeflow, which a pod names."
    assert words in refused(machine, "--values", file)
    machine.change(secrets={"kubeflow/mlpipeline-minio-artifact": ["accesskey"]})
    machine.up("--values", file)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            "buckets: {pipelines: other}",
            "buckets.pipelines is 'other', and the manifests keep artifacts in s3://",
        ),
        (
            "pipelines: {namespace: elsewhere}",
            "pipelines.namespace is 'elsewhere', and the manifests install Kubeflow",
        ),
    ],
)
def test_values_that_the_manifests_contradict_are_refused(machine: Machine, values: str, said: str) -> None:
    file = machine.forebay.folder / "mine.yaml"
    file.write_text(values)
    assert said in refused(machine, "--values", file)


def test_the_question_names_namespaces_that_will_be_stricter(machine: Machine) -> None:
    machine.change(namespaces={"kserve": {}})
    said = machine.forebay("up", "--cluster", "current", "--manifests", machine.manifests, expect=2).stderr
    assert "Namespaces that exist already, kserve, then enforce Pod Security restricted" in said
