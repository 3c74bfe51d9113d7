"""`forebay up`: check, render, then make the cluster what it should be. Run again, it goes on or changes nothing."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConfigError, MachineError
from forebay.install import air_gap
from forebay.install.air_gap import AIRGAP
from forebay.install.charts import render, sources, values
from forebay.install.commands import tools
from forebay.install.commands.perform import Say, perform
from forebay.install.facts import facts as cluster
from forebay.install.facts import kind, objects
from forebay.install.facts.facts import Facts
from forebay.install.plan.action import KIND_CLUSTER, KIND_CONTEXT, Action, Target
from forebay.install.plan.rules import Wanted, check_cluster, notes
from forebay.install.plan.up import Install, KindFacts, install_actions, kind_actions
from forebay.install.request import Request, description
from forebay.state import FileLock, Home
from forebay.version import VERSION

EXAMPLE = "registry.example.com"
EXAMPLE_BUCKET = "acme-forebay-pipelines"
Confirm = Callable[[str], None]  # raises where the person says no


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the cluster is asked."""

    request: Request
    sources: sources.Sources
    folder: Path  # of ours in the state folder: what is rendered, and the log
    target: Target
    wanted: Wanted

    @property
    def log(self) -> Path:
        """What the commands said."""
        return self.folder / "up.log"


def up(request: Request, home: Home, say: Say, confirm: Confirm) -> None:
    """Bring the platform up, or print how.

    Args:
        request: which cluster and what on it.
        home: the state folder, open; rendered manifests and the log lie in it.
        say: shows a line to the person; of a dry run every line is a command or begins with `#`.
        confirm: asks whether to act on a cluster that was not made by us.

    Raises:
        ConfigError: what was asked for cannot be; nothing was changed.
        MachineError: a tool or the cluster is not as it has to be; nothing was changed but a kind cluster made.
        ClusterError: a command failed; the next try goes on from there.
    """
    with FileLock(home.root / "cluster.lock").held("`forebay up`"):
        prepared = _prepare(request, home.root / "cluster" / request.cluster, say)
        (_print if request.dry_run else _install)(prepared, say, confirm)


def _prepare(request: Request, folder: Path, say: Say) -> Prepared:
    programs = ("kubectl", "helm", *(("kind", "docker") if request.cluster == "kind" else ()))
    tools.require(programs)
    found = sources.find(request.manifests)
    given = values.merged([found.chart / "values.yaml", *request.files(found)])
    folders = [found.overlay(request.scenario), *(found.optional(name) for name in request.extras)]
    say(f"{'# ' if request.dry_run else ''}Renders {folders[0]}; what others own is fetched, which takes minutes")
    _check_registry(request, found)
    wanted = Wanted(
        pieces=render.pieces(folders, request.left_out, air_gap.renamed(found, request.registry)),
        chart=render.chart_objects(found.chart, request.words(found)),
        values=given,
        minimum=found.kubernetes()["minimum"],
    )
    _check_bucket(wanted, found.overlay(request.scenario))
    return Prepared(request, found, folder, target_of(request), wanted)


def _check_registry(request: Request, found: sources.Sources) -> None:
    mirror = found.mirror()
    if request.scenario == AIRGAP and not request.registry and mirror.startswith(EXAMPLE):
        raise ConfigError(
            f"--overlay {AIRGAP} takes every image from {mirror}, which is an example. Copy the images to a "
            "registry of yours (`forebay bundle save` and `forebay bundle load`) and name it: --registry HOST/PATH."
        )


def _check_bucket(wanted: Wanted, overlay: Path) -> None:
    """A bucket's name is the world's: the example's may be anybody's."""
    if any(EXAMPLE_BUCKET in text for piece in wanted.pieces for text in piece.texts):
        raise ConfigError(
            f"{overlay} keeps artifacts in the bucket {EXAMPLE_BUCKET}, which is an example. Copy the "
            "manifests folder, put your bucket, region and endpoint into that overlay's files, and name the copy: "
            "--manifests DIR."
        )


def target_of(request: Request) -> Target:
    """The cluster that is meant, by its context.

    Raises:
        MachineError: no context is current and none was named.
    """
    if request.cluster == "kind":
        return Target(KIND_CONTEXT)
    if request.context:
        return Target(request.context)
    answer = tools.read(("kubectl", "config", "current-context"))
    if answer.code or not answer.out.strip():
        raise MachineError(
            f"No context is current ({answer.words}). Name one with --context; `kubectl config get-contexts` lists "
            "them. Without a cluster of yours: `forebay up --cluster kind`."
        )
    return Target(answer.out.strip())


def _install(prepared: Prepared, say: Say, confirm: Confirm) -> None:
    """The real thing; see `up`."""
    request, target = prepared.request, prepared.target
    say(f"Acts on the cluster of the context {target.context}, scenario {request.scenario}; log {prepared.log}")
    prepared.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    prepared.log.write_text("")
    if request.cluster == "kind":
        there = _read_kind(prepared)
        if there.exists and not there.ours:
            confirm(_kind_question(prepared.folder))
        making, filling = kind.split(list(_kind_actions(prepared, there)))
        with kind.half_made(prepared.folder, making):
            perform(making, prepared.log, say, request.again())
        perform(filling, prepared.log, say, request.again())
    else:
        now = _facts(prepared)  # an unfit cluster is refused before anybody is asked
        check_cluster(target.context, now, prepared.wanted)
        confirm(_question(target, now, prepared.wanted))
    now = _facts(prepared)
    check_cluster(target.context, now, prepared.wanted)
    for note in notes(now, prepared.wanted):
        say(note)
    perform(_actions(prepared, now), prepared.log, say, request.again(target.context))
    for line in _next_steps(target, request):
        say(line)


def _question(target: Target, now: Facts, wanted: Wanted) -> str:
    spaces = [each["metadata"]["name"] for each in wanted.manifests if each["kind"] == "Namespace"]
    theirs = [name for name in spaces if now.namespaces.get(name) in ("", "kept")]
    question = f"Install Forebay on the cluster of the context {target.context}?"
    if theirs:
        question += (
            f" Namespaces that are there already, {', '.join(theirs)}, then enforce Pod Security restricted: pods of "
            "yours in them that need more will not start again."
        )
    return question


def _print(prepared: Prepared, say: Say, confirm: Confirm) -> None:
    """The dry run: files of ours are written, so that the commands work as printed, and nothing else."""
    say(f"# Dry run for the context {prepared.target.context}: these commands, in this order. Nothing is changed.")
    first: list[Action] = []
    if prepared.request.cluster == "kind":
        first = list(_kind_actions(prepared, _read_kind(prepared)))
    try:
        now: Facts | None = _facts(prepared)
    except MachineError as error:
        now = None
        say(f"# Not checked: version, rights, storage classes, Secrets, room, GPUs. {error}")
    if now:
        check_cluster(prepared.target.context, now, prepared.wanted)
    for action in [*first, *_actions(prepared, now)]:
        say(f"# {action.title}")
        say(action.line())


def _read_kind(prepared: Prepared) -> KindFacts:
    return kind.read_kind(prepared.folder, with_images=not prepared.request.registry)


def _kind_question(folder: Path) -> str:
    return (
        f"There is a kind cluster named {KIND_CLUSTER} that no `forebay up` with the state folder {folder.parents[1]} "
        "made. Install Forebay on it? (It will be kept by `forebay down --delete-data`.)"
    )


def _kind_actions(prepared: Prepared, now: KindFacts) -> Iterator[Action]:
    image = prepared.sources.kubernetes().get("kind_node_image", "")
    return kind_actions(now, prepared.sources.kind_config, image)


def _facts(prepared: Prepared) -> Facts:
    wanted, target = prepared.wanted, prepared.target
    now = cluster.read_facts(target, wanted.secrets())
    if now.release is None:
        return now
    kept = [each for each in wanted.chart if not objects.is_hook(each)]
    prepared.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return dataclasses.replace(now, whole=cluster.all_there(target, kept, prepared.folder / "release.json"))


def _actions(prepared: Prepared, now: Facts | None) -> Sequence[Action]:
    install = Install(
        target=prepared.target,
        pieces=prepared.wanted.pieces,
        files=render.write_pieces(prepared.wanted.pieces, prepared.folder),
        chart=prepared.sources.chart,
        chart_objects=prepared.wanted.chart,
        values=prepared.request.words(prepared.sources),
        description=description(prepared.sources, prepared.request, VERSION),
    )
    return list(install_actions(install, now))


def _next_steps(target: Target, request: Request) -> list[str]:
    kubectl = f"kubectl --context {target.context}"
    of = "kind" if request.cluster == "kind" else f"current --context {target.context}"
    return [
        f"Forebay is up on {target.context}. Let MLflow prove itself, then look at the pipelines and at MLflow:",
        f"  helm --kube-context {target.context} --namespace forebay test forebay",
        f"  {kubectl} --namespace kubeflow port-forward service/ml-pipeline-ui 8080:80",
        f"  {kubectl} --namespace forebay port-forward service/forebay-mlflow 5000",
        f"`forebay compile` writes the pipeline to upload there; `forebay down --cluster {of}` removes what was "
        "installed.",
    ]
