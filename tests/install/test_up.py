"""`forebay up`: the order, what a second and a third one do, what is printed, and what a failure leaves."""

import shlex
import signal
import time

from support.install_machine import IMAGES, Machine

PIECES = ("namespaces", "cert-manager", "kserve-crds", "kserve", "pipelines-crds", "pipelines")


def steps(calls: list[str]) -> list[str]:
    """The order in short: a piece where it is applied, `wait` and `rollout` with their piece, and the chart."""
    short = []
    for call in calls:
        words = shlex.split(call)
        verb = next(word for word in words if word in ("apply", "wait", "rollout", "upgrade", "create", "load"))
        piece = next((word.partition("=")[2] for word in words if word.startswith("forebay.dev/piece=")), "")
        short.append(f"{verb} {piece}".strip())
    return short


def test_the_chart_comes_after_the_kinds_that_it_needs_and_before_what_needs_its_secret(machine: Machine) -> None:
    machine.up()
    assert steps(machine.calls()) == [
        "apply namespaces",
        "apply cert-manager", "wait cert-manager", "rollout cert-manager",
        "apply kserve-crds", "wait kserve-crds",
        "apply kserve", "rollout kserve",
        "apply pipelines-crds", "wait pipelines-crds",
        "upgrade",
        "apply pipelines", "rollout pipelines",
    ]  # fmt: skip


def test_every_command_names_its_context(machine: Machine) -> None:
    said = machine.up().stdout
    assert "Acts on the cluster of the context work" in said
    assert all("--context work" in call or "--kube-context work" in call for call in machine.calls())


def test_a_piece_is_applied_by_the_server_from_a_file_that_holds_it_alone(machine: Machine) -> None:
    machine.up()
    call = next(call for call in machine.calls() if "piece=kserve-crds" in call and " apply " in call)
    file = machine.forebay.home / "cluster" / "current" / "kserve-crds.yaml"
    options = "--server-side --force-conflicts --field-manager forebay"
    assert call == f"kubectl --context work apply {options} --filename {file} --selector forebay.dev/piece=kserve-crds"
    assert file.read_text().count("forebay.dev/piece: kserve-crds") == 2
    assert "forebay.dev/piece: pipelines" not in file.read_text()


def test_the_second_and_the_third_change_nothing(machine: Machine) -> None:
    machine.up()
    first, before = machine.calls(), machine.state
    for _ in range(2):
        machine.up()
        assert machine.calls() == [call for call in first if "helm" not in call]  # equal bytes to the same names
        assert {**machine.state, "calls": []} == {**before, "calls": []}
    assert machine.state["release"]["revision"] == 1


def test_other_values_make_the_release_anew(machine: Machine) -> None:
    machine.up()
    values = machine.forebay.folder / "mine.yaml"
    values.write_text("mlflow: {replicas: 2}\n")
    machine.calls()
    machine.up("--values", values)
    (call,) = [call for call in machine.calls() if call.startswith("helm")]
    assert f"--values {values} " in call
    assert machine.state["release"]["revision"] == 2


def test_a_release_that_lost_an_object_is_made_anew(machine: Machine) -> None:
    machine.up()
    machine.change(drifted=True)
    machine.up()
    assert machine.state["release"]["revision"] == 2


def test_the_dry_run_prints_what_then_runs_and_changes_nothing(machine: Machine) -> None:
    values = machine.forebay.folder / "my values.yaml"
    values.write_text("spark: {enabled: true}\n")
    options = ("--values", values, "--with", "trainer", "--with", "spark-operator")
    printed = machine.up(*options, "--dry-run").stdout.splitlines()
    assert machine.calls() == []
    machine.up(*options)
    assert [line for line in printed if not line.startswith("#")] == machine.calls()


def test_the_dry_run_of_kind_prints_what_then_runs(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    printed = machine.up("--dry-run", cluster="kind").stdout.splitlines()
    assert machine.calls() == []
    machine.up(cluster="kind")
    assert [line for line in printed if not line.startswith("#")] == machine.calls()


def test_a_dry_run_without_a_cluster_says_what_it_could_not_check(machine: Machine) -> None:
    machine.change(answers=False)
    said = machine.up("--dry-run").stdout
    assert "# Not checked: version, rights, storage classes, Secrets, free CPU and memory, GPUs. The cluster of" in said
    assert "kubectl --context work apply" in said


def test_kind_is_made_with_its_config_and_image_and_gets_every_image(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    machine.up(cluster="kind")
    calls = machine.calls()
    config = machine.manifests / "kind.yaml"
    made = f"kind create cluster --name forebay --config {config} --image kindest/node:v1.33.1 --wait 300s"
    assert calls[:6] == [made, *(f"kind load docker-image {image} --name forebay" for image in IMAGES)]
    (helm,) = [call for call in calls if call.startswith("helm")]
    assert helm.startswith("helm --kube-context kind-forebay --namespace forebay upgrade --install forebay ")
    assert "ci/kind.yaml" in helm


def test_an_image_is_loaded_again_only_after_it_was_built_again(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    machine.up(cluster="kind")
    machine.calls()
    machine.up(cluster="kind")
    assert [call for call in machine.calls() if call.startswith("kind")] == []
    machine.change(engine=machine.state["engine"] | {IMAGES[2]: "sha256:new"})
    machine.up(cluster="kind")
    loaded = [call for call in machine.calls() if call.startswith("kind")]
    assert loaded == [f"kind load docker-image {IMAGES[2]} --name forebay"]


def test_an_image_that_was_not_built_is_named_before_a_cluster_is_made(machine: Machine) -> None:
    machine.change(contexts=[], engine={name: f"sha256:{name}" for name in IMAGES[1:]})
    said = machine.up(cluster="kind", expect=2).stderr
    assert (
        f"has no container image {IMAGES[0]}, and kind takes them from it. Build them in a checkout with `make images`"
        in said
    )
    assert machine.calls() == []


def test_a_failure_in_the_middle_says_what_to_do_and_the_next_try_completes(machine: Machine) -> None:
    machine.fails("rollout status deployments --namespace kserve", "error: timed out waiting for the condition")
    machine.change(pods="kserve-1   0/1   ImagePullBackOff   0   9m\nother   1/1   Running   0   9m\n")
    said = machine.up(expect=1).stderr
    assert (
        "ended with 1: error: timed out waiting for the condition. Pods that are not up: kserve-1 is ImagePullB" in said
    )
    assert f"`forebay up --cluster current --context work --manifests {machine.manifests}` again" in said
    log = machine.forebay.home / "cluster" / "current" / "up.log"
    assert str(log) in said
    assert "error: timed out waiting for the condition\nended with 1" in log.read_text()
    assert steps(machine.calls())[-1] == "rollout kserve"
    machine.up()
    assert steps(machine.calls())[-1] == "rollout pipelines"
    assert machine.state["release"]["status"] == "deployed"


def test_a_webhook_that_is_coming_up_is_waited_for(machine: Machine) -> None:
    says = 'Error from server (InternalError): failed calling webhook "x.kserve": connect: connection refused'
    machine.fails("kserve.yaml", says)
    said = machine.up().stdout
    assert "the server says “failed calling webhook”: something that was just installed is starting; trying" in said


def test_what_helm_left_when_it_was_killed_does_not_stop_the_next_try(machine: Machine) -> None:
    machine.change(release={"revision": 1, "status": "pending-install", "description": "Initial install underway"})
    machine.up()
    calls = machine.calls()
    at = next(number for number, call in enumerate(calls) if "upgrade --install" in call)
    selector = "owner=helm,name=forebay,status=pending-install"
    assert calls[at - 1] == f"kubectl --context work delete secrets --namespace forebay --selector {selector}"


def test_a_kind_cluster_that_was_half_made_is_made_anew(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    machine.fails("kind create", "ERROR: failed to create cluster")
    machine.up(cluster="kind", expect=1)
    machine.change(clusters=["forebay"])  # what kind leaves when it is killed
    machine.calls()
    machine.up(cluster="kind")
    calls = machine.calls()
    assert calls[0] == "kind delete cluster --name forebay"
    assert calls[1].startswith("kind create cluster")
    machine.up(cluster="kind")
    assert [call for call in machine.calls() if call.startswith("kind")] == []


def test_a_kind_cluster_of_somebody_elses_is_asked_about_first(machine: Machine) -> None:
    machine.change(clusters=["forebay"], contexts=["kind-forebay"])
    said = machine.up(cluster="kind", expect=2).stderr
    assert "There is a kind cluster named forebay that no `forebay up` with the state folder " in said
    assert "add --yes. Nothing was changed." in said
    assert machine.calls() == []
    machine.up("--yes", cluster="kind")
    assert not any(call.startswith(("kind create", "kind delete")) for call in machine.calls())


def test_a_cluster_that_was_made_is_kept_when_loading_an_image_failed(machine: Machine) -> None:
    machine.change(contexts=[], answers=False)
    machine.fails(f"load docker-image {IMAGES[1]}", "ERROR: failed to load image")
    machine.up(cluster="kind", expect=1)
    machine.calls()
    machine.up(cluster="kind")
    loaded = [call for call in machine.calls() if call.startswith("kind")]
    assert loaded == [f"kind load docker-image {image} --name forebay" for image in IMAGES[1:]]


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(machine: Machine) -> None:
    machine.fails("rollout status deployments --namespace kserve", hang=True)
    process = machine.forebay.start("up", "--cluster", "current", "--manifests", machine.manifests, "--yes")
    deadline = time.monotonic() + 300
    while not any("kserve" in call and "rollout" in call for call in map(shlex.join, machine.state["calls"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Ended in the middle. `forebay up --cluster current --manifests" in said
    assert "completes what is there" in said


def test_a_namespace_that_was_there_is_marked_before_it_gets_our_label(machine: Machine) -> None:
    machine.change(namespaces={"kubeflow": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
    machine.up()
    noted = "forebay.dev/kept=enforce=baseline,warn="
    assert machine.calls()[0] == f"kubectl --context work annotate namespace kubeflow {noted} --overwrite"
    machine.up()
    assert not any("annotate" in call for call in machine.calls())


def test_no_log_and_no_file_holds_a_password(machine: Machine) -> None:
    machine.up()
    for path in (machine.forebay.home / "cluster").rglob("*"):
        assert path.is_dir() or "secret-key" not in path.read_text()


def test_a_registry_renames_every_image_of_the_manifests_and_of_the_chart(machine: Machine) -> None:
    registry = "registry.acme.com/mine"
    machine.up("--overlay", "airgap", "--registry", registry, "--with", "trainer")
    folder = machine.forebay.home / "cluster" / "current"
    for piece in ("pipelines", "trainer"):
        assert f"image: {registry}/team/server:v1" in (folder / f"{piece}.yaml").read_text()
    (helm,) = [call for call in machine.calls() if call.startswith("helm")]
    assert f"--set images.registry={registry}" in helm
    assert f"--set images.postgres={registry}/library/postgres:" in helm
    assert f"--set images.s3={registry}/rclone/rclone:" in helm


def test_a_piece_that_the_cluster_has_is_left_out(machine: Machine) -> None:
    machine.change(definitions={"certificates.cert-manager.io": ""})
    machine.up("--without", "cert-manager")
    namespaces = (machine.forebay.home / "cluster" / "current" / "namespaces.yaml").read_text()
    assert "name: cert-manager" not in namespaces, "it is theirs to label"
    assert "name: kserve" in namespaces
    assert not any("piece=cert-manager" in call for call in machine.calls())


def test_a_long_wait_names_the_pods_that_do_not_come_up(machine: Machine) -> None:
    machine.fails("rollout status deployments --namespace kserve", hang=True)
    machine.change(pods="kserve-1   0/1   ImagePullBackOff   0   9m\nother   1/1   Running   0   9m\n")
    process = machine.forebay.start("up", "--cluster", "current", "--manifests", machine.manifests, "--yes")
    assert process.stdout is not None
    waited = next(line for line in process.stdout if "s, waiting for" in line)
    assert "waiting for their pods to be ready (kserve-1 is ImagePullBackOff)" in waited
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
