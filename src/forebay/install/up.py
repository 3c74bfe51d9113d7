"""`forebay up`: check, render, then make the cluster what it should be. A second run goes on or changes nothing."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConfigError, MachineError
from forebay.install import air_gap
from forebay.install.air_gap import AIR_GAP_SCENARIO
from forebay.install.charts import render, sources, values
from forebay.install.charts.sources import InstallSources
from forebay.install.commands import programs
from forebay.install.commands.cluster_target import ClusterTarget
from forebay.install.commands.planned_command import PlannedCommand
from forebay.install.commands.run_commands import ShowLine, run_commands
from forebay.install.facts import cluster_facts, kind_cluster, kubernetes_objects
from forebay.install.facts.cluster_facts import ClusterFacts
from forebay.install.facts.kind_cluster import KindClusterFacts
from forebay.install.names import KIND_CLUSTER, KIND_CONTEXT
from forebay.install.plan.install_commands import PlatformInstall, install_commands, kind_commands
from forebay.install.plan.rendered_platform import RenderedPlatform
from forebay.install.plan.requirements import capacity_notes, check_requirements
from forebay.install.request import InstallRequest, release_description
from forebay.state import FileLock, Home
from forebay.version import VERSION

EXAMPLE_REGISTRY = "registry.example.com"
EXAMPLE_BUCKET = "acme-forebay-pipelines"
Confirm = Callable[[str], None]  # raises where the person says no


@dataclass(frozen=True)
class PreparedInstall:
    """Everything that is known before the cluster is asked."""

    request: InstallRequest
    sources: InstallSources
    folder: Path  # in the state folder: rendered manifests and the log
    target: ClusterTarget
    wanted: RenderedPlatform

    @property
    def log(self) -> Path:
        """The file with every command and its output."""
        return self.folder / "up.log"


def up(request: InstallRequest, home: Home, show: ShowLine, confirm: Confirm) -> None:
    """Install the platform, or print how.

    Args:
        request: which cluster, and what goes onto it.
        home: the state folder, open; it gets rendered manifests and the log.
        show: shows a line to the person; every line of a dry run is a command or begins with `#`.
        confirm: asks whether to act on a cluster that was not made by us.

    Raises:
        ConfigError: the request cannot be fulfilled; nothing was changed.
        MachineError: a tool or the cluster is not as it must be; nothing was changed, but kind may have made a cluster.
        ClusterError: a command failed; the next try goes on from there.
    """
    with FileLock(home.root / "cluster.lock").held("`forebay up`"):
        prepared = _prepare(request, home.root / "cluster" / request.cluster, show)
        if request.dry_run:
            _print_commands(prepared, show)
        else:
            _install(prepared, show, confirm)


def _prepare(request: InstallRequest, folder: Path, show: ShowLine) -> PreparedInstall:
    programs.require_programs(("kubectl", "helm", *(("kind", "docker") if request.cluster == "kind" else ())))
    found = sources.find_sources(request.manifests)
    merged = values.merge_values([found.chart / "values.yaml", *request.value_files(found)])
    overlay = found.overlay_folder(request.scenario)
    folders = [overlay, *(found.optional_folder(name) for name in request.optional_pieces)]
    show(f"{'# ' if request.dry_run else ''}Renders {overlay}; upstream's manifests are fetched, which takes minutes")
    _check_registry(request, found)
    replacements = air_gap.image_replacements(found, request.registry)
    wanted = RenderedPlatform(
        pieces=render.render_pieces(folders, request.excluded_pieces, replacements),
        chart_objects=render.render_chart(found.chart, request.helm_arguments(found)),
        values=merged,
        minimum_version=found.kubernetes_versions()["minimum"],
    )
    _check_bucket(wanted, overlay)
    return PreparedInstall(request, found, folder, find_target(request), wanted)


def _check_registry(request: InstallRequest, found: InstallSources) -> None:
    registry = found.overlay_registry()
    if request.scenario == AIR_GAP_SCENARIO and not request.registry and registry.startswith(EXAMPLE_REGISTRY):
        raise ConfigError(
            f"--overlay {AIR_GAP_SCENARIO} takes every container image from {registry}, which is an example. Copy them "
            "to your registry (`forebay bundle save` and `forebay bundle load`) and name it: --registry HOST/PATH."
        )


def _check_bucket(wanted: RenderedPlatform, overlay: Path) -> None:
    """Bucket names are unique in the world: the example's may be anybody's."""
    if any(EXAMPLE_BUCKET in text for piece in wanted.pieces for text in piece.texts):
        raise ConfigError(
            f"{overlay} keeps artifacts in the bucket {EXAMPLE_BUCKET}, which is an example. Copy the "
            "manifests folder, put your bucket, region and endpoint into that overlay's files, and name the copy: "
            "--manifests DIR."
        )


def find_target(request: InstallRequest) -> ClusterTarget:
    """The cluster that a request means.

    Raises:
        MachineError: no context is current and none was named.
    """
    if request.cluster == "kind":
        return ClusterTarget(KIND_CONTEXT)
    if request.context:
        return ClusterTarget(request.context)
    result = programs.read_output(("kubectl", "config", "current-context"))
    if result.exit_code or not result.stdout.strip():
        raise MachineError(
            f"No context is current ({result.message}). Name one with --context; `kubectl config get-contexts` lists "
            "them. If you have no cluster: `forebay up --cluster kind`."
        )
    return ClusterTarget(result.stdout.strip())


def _install(prepared: PreparedInstall, show: ShowLine, confirm: Confirm) -> None:
    request, target = prepared.request, prepared.target
    show(f"Acts on the cluster of the context {target.context}, scenario {request.scenario}; log {prepared.log}")
    prepared.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    prepared.log.write_text("")
    if request.cluster == "kind":
        _make_kind_cluster(prepared, show, confirm)
    else:
        facts = _read_facts(prepared)  # an unfit cluster is refused before anybody is asked
        check_requirements(target.context, facts, prepared.wanted)
        confirm(_question(target, facts, prepared.wanted))
    facts = _read_facts(prepared)
    check_requirements(target.context, facts, prepared.wanted)
    for note in capacity_notes(facts, prepared.wanted):
        show(note)
    run_commands(_install_commands(prepared, facts), prepared.log, show, request.resume_command(target.context))
    for line in _next_steps(target, request):
        show(line)


def _make_kind_cluster(prepared: PreparedInstall, show: ShowLine, confirm: Confirm) -> None:
    facts = _read_kind_facts(prepared)
    if facts.exists and not facts.created_by_up:
        confirm(_kind_question(prepared.folder))
    creating, loading = kind_cluster.split_commands(list(_kind_commands(prepared, facts)))
    with kind_cluster.recorded_creation(prepared.folder, creating):
        run_commands(creating, prepared.log, show, prepared.request.resume_command())
    run_commands(loading, prepared.log, show, prepared.request.resume_command())


def _question(target: ClusterTarget, facts: ClusterFacts, wanted: RenderedPlatform) -> str:
    namespaces = [each["metadata"]["name"] for each in wanted.manifests if each["kind"] == "Namespace"]
    theirs = [name for name in namespaces if facts.namespaces.get(name) in ("", "kept")]
    question = f"Install Forebay on the cluster of the context {target.context}?"
    if theirs:
        question += (
            f" Namespaces that exist already, {', '.join(theirs)}, then enforce Pod Security restricted: pods of "
            "yours in them that need more will not start again."
        )
    return question


def _print_commands(prepared: PreparedInstall, show: ShowLine) -> None:
    """The dry run: it writes our files, so that the commands work as printed, and changes nothing else."""
    show(f"# Dry run for the context {prepared.target.context}: these commands, in this order. Nothing is changed.")
    commands: list[PlannedCommand] = []
    if prepared.request.cluster == "kind":
        commands += _kind_commands(prepared, _read_kind_facts(prepared))
    facts: ClusterFacts | None = None
    try:
        facts = _read_facts(prepared)
    except MachineError as error:
        show(f"# Not checked: version, rights, storage classes, Secrets, free CPU and memory, GPUs. {error}")
    if facts:
        check_requirements(prepared.target.context, facts, prepared.wanted)
    for planned in [*commands, *_install_commands(prepared, facts)]:
        show(f"# {planned.title}")
        show(planned.shell_line())


def _read_kind_facts(prepared: PreparedInstall) -> KindClusterFacts:
    return kind_cluster.read_kind_cluster(prepared.folder, with_images=not prepared.request.registry)


def _kind_question(folder: Path) -> str:
    return (
        f"There is a kind cluster named {KIND_CLUSTER} that no `forebay up` with the state folder {folder.parents[1]} "
        "made. Install Forebay on it? (It will be kept by `forebay down --delete-data`.)"
    )


def _kind_commands(prepared: PreparedInstall, facts: KindClusterFacts) -> Iterator[PlannedCommand]:
    node_image = prepared.sources.kubernetes_versions().get("kind_node_image", "")
    return kind_commands(facts, prepared.sources.kind_config, node_image)


def _read_facts(prepared: PreparedInstall) -> ClusterFacts:
    wanted, target = prepared.wanted, prepared.target
    facts = cluster_facts.read_cluster_facts(target, wanted.secrets())
    if facts.release is None:
        return facts
    permanent = [each for each in wanted.chart_objects if not kubernetes_objects.is_hook(each)]
    prepared.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    complete = cluster_facts.all_exist(target, permanent, prepared.folder / "release.json")
    return dataclasses.replace(facts, release_complete=complete)


def _install_commands(prepared: PreparedInstall, facts: ClusterFacts | None) -> Sequence[PlannedCommand]:
    install = PlatformInstall(
        target=prepared.target,
        pieces=prepared.wanted.pieces,
        files=render.write_pieces(prepared.wanted.pieces, prepared.folder),
        chart=prepared.sources.chart,
        chart_objects=prepared.wanted.chart_objects,
        value_arguments=prepared.request.helm_arguments(prepared.sources),
        description=release_description(prepared.sources, prepared.request, VERSION),
    )
    return list(install_commands(install, facts))


def _next_steps(target: ClusterTarget, request: InstallRequest) -> list[str]:
    kubectl = f"kubectl --context {target.context}"
    cluster = "kind" if request.cluster == "kind" else f"current --context {target.context}"
    return [
        f"Forebay is up on {target.context}. Test MLflow, then look at the pipelines and at MLflow:",
        f"  helm --kube-context {target.context} --namespace forebay test forebay",
        f"  {kubectl} --namespace kubeflow port-forward service/ml-pipeline-ui 8080:80",
        f"  {kubectl} --namespace forebay port-forward service/forebay-mlflow 5000",
        f"`forebay compile` writes the pipeline to upload there; `forebay down --cluster {cluster}` removes what was "
        "installed.",
    ]
