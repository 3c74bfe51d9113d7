"""`forebay down`: find what is ours by its labels, ask, remove it. A second run goes on or changes nothing."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from forebay.errors import MachineError
from forebay.install.charts.render import PIECES
from forebay.install.commands import programs
from forebay.install.commands.cluster_target import ClusterTarget
from forebay.install.commands.run_commands import ShowLine, run_commands
from forebay.install.facts import cluster_facts, kind_cluster
from forebay.install.names import HELM_LABEL, KIND_CLUSTER, KIND_CONTEXT, PIECE_LABEL
from forebay.install.plan.removal_commands import InstalledObjects, kind_removal, removal_commands
from forebay.install.request import InstallRequest
from forebay.install.up import Confirm, find_target
from forebay.state import FileLock, Home

SHOWN_NAMES = 5  # in a question
CONTROLLER_KINDS = {"endpoints", "endpointslices.discovery.k8s.io", "events", "events.events.k8s.io"}  # copy our labels
API_RESOURCES = ("api-resources", "--verbs", "list,delete", "--output", "name")
WORKLOADS = "deployments,statefulsets,jobs,persistentvolumeclaims"
NOT_OURS = ("--selector", f"!{PIECE_LABEL},{HELM_LABEL.replace('=', '!=')}")


def down(request: InstallRequest, home: Home, show: ShowLine, confirm: Confirm, *, delete_data: bool) -> None:
    """Remove the platform, or print how.

    Args:
        request: which cluster.
        home: the state folder, open.
        show: shows a line to the person.
        confirm: asks before anything is removed.
        delete_data: remove volumes, Secrets and namespaces as well, and a kind cluster as a whole.

    Raises:
        MachineError: a tool or the cluster does not answer; nothing was changed.
        ClusterError: a command failed; the next try goes on from there.
    """
    with FileLock(home.root / "cluster.lock").held("`forebay down`"):
        folder = home.root / "cluster" / request.cluster
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if request.cluster == "kind":
            _remove_from_kind(request, folder, show, confirm, delete_data=delete_data)
        else:
            _remove_pieces(request, folder, show, confirm, delete_data=delete_data)


def _remove_from_kind(
    request: InstallRequest, folder: Path, show: ShowLine, confirm: Confirm, *, delete_data: bool
) -> None:
    programs.require_programs(("kubectl", "helm", "kind"))
    if not kind_cluster.cluster_exists():
        show(f"{'# ' if request.dry_run else ''}There is no kind cluster of ours: nothing to remove.")
    elif not delete_data or not kind_cluster.was_created_by_up(folder):
        _remove_pieces(request, folder, show, confirm, delete_data=delete_data)
        if delete_data:
            show(
                f"{'# ' if request.dry_run else ''}The kind cluster {KIND_CLUSTER} itself stays, for no `forebay up` "
                f"with this state folder made it; `{kind_removal().shell_line()}` removes it."
            )
    elif request.dry_run:
        show(kind_removal().shell_line())
    else:
        confirm(f"Remove the cluster {KIND_CONTEXT} with every volume, model and run in it?")
        run_commands([kind_removal()], folder / "down.log", show, _down_command(request, "", delete_data=True))
        kind_cluster.forget_cluster(folder)


def _remove_pieces(
    request: InstallRequest, folder: Path, show: ShowLine, confirm: Confirm, *, delete_data: bool
) -> None:
    programs.require_programs(("kubectl", "helm"))
    target, log = find_target(request), folder / "down.log"
    show(f"{'# ' if request.dry_run else ''}Acts on the cluster of the context {target.context}")
    try:
        installed = _read_installed(target)
    except MachineError as error:
        if not request.dry_run:
            raise
        show(f"# The cluster was not looked at, so only the chart is listed. {error}")
        installed = InstalledObjects(release=True)
    context = target.context if request.cluster == "current" else ""
    commands = list(removal_commands(target, installed, PIECES, delete_data=delete_data))
    if request.dry_run:
        for planned in commands:
            show(f"# {planned.title}\n{planned.shell_line()}")
        return
    if commands:
        confirm(_question(target, installed, delete_data=delete_data))
        log.write_text("")
        run_commands(commands, log, show, _down_command(request, context, delete_data=delete_data))
    with_data = _down_command(request, context, delete_data=True)
    show("Nothing of Forebay runs there now." + ("" if delete_data else f" {_kept_data(installed, with_data)}"))


def _read_installed(target: ClusterTarget) -> InstalledObjects:
    """Our objects in the cluster, found by its labels alone, whatever version installed it."""
    facts = cluster_facts.read_cluster_facts(target)
    kinds = {row[0] for row in _rows(target, *API_RESOURCES, ok=(0, 1))}  # 1: an API of somebody's does not answer
    made = sorted(name for name, owner in facts.namespaces.items() if owner not in ("", "kept"))
    kept = sorted(name for name, owner in facts.namespaces.items() if owner == "kept")
    return InstalledObjects(
        kinds=_labelled_kinds(target, sorted(kinds - CONTROLLER_KINDS)),
        instances=_instances(target, sorted(name for name, piece in facts.crds.items() if piece)),
        release=facts.release is not None,
        namespaces=made,
        kept_namespaces={name: facts.pod_security[name] for name in kept},
        others=[f"{name}/{each}" for name in made for each in _others(target, name)],
    )


def _rows(target: ClusterTarget, *arguments: str, ok: tuple[int, ...] = (0,)) -> list[list[str]]:
    lines = cluster_facts.read_kubectl(target, *arguments, ok=ok).splitlines()
    return [line.split() for line in lines if line.split()]


def _labelled_kinds(target: ClusterTarget, kinds: list[str]) -> dict[str, list[str]]:
    """Kinds of objects with our label, by piece. Only names and kinds are asked for."""
    if not kinds:
        return {}
    label = PIECE_LABEL.replace(".", "\\.")
    columns = f"custom-columns=P:.metadata.labels.{label},K:.kind,A:.apiVersion"
    get = ("get", ",".join(kinds), "--all-namespaces", "--selector", PIECE_LABEL, "--no-headers", "--output", columns)
    found: dict[str, list[str]] = defaultdict(list)
    for piece, kind, version in (row for row in _rows(target, *get) if len(row) == 3):
        full_name = ".".join(filter(None, (kind.lower(), version.rpartition("/")[0])))
        if full_name not in found[piece]:
            found[piece].append(full_name)
    return found


def _instances(target: ClusterTarget, crds: list[str]) -> dict[str, list[str]]:
    """What people made of the kinds that are removed."""
    if not crds:
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for row in _rows(target, "get", ",".join(crds), "--all-namespaces", *NOT_OURS, "--output", "name"):
        kind, _, name = row[0].partition("/")
        singular, _, group = kind.partition(".")
        plural = next((each for each in crds if each.endswith(f".{group}") and each.startswith(singular)), kind)
        found[plural].append(name)
    return found


def _others(target: ClusterTarget, namespace: str) -> list[str]:
    rows = _rows(target, "get", WORKLOADS, "--namespace", namespace, *NOT_OURS, "--output", "name")
    return [row[0] for row in rows]


def _question(target: ClusterTarget, installed: InstalledObjects, *, delete_data: bool) -> str:
    parts = [f"Remove Forebay from the cluster of the context {target.context}?"]
    for kind, names in installed.instances.items():
        parts.append(f"Of {kind} go: {_listed(names)}.")
    if delete_data:
        parts.append(f"All volumes and passwords go, with the namespaces {', '.join(installed.namespaces) or 'none'}.")
        parts += [f"They also hold objects of others: {_listed(installed.others)}."] if installed.others else []
    return " ".join(parts)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _kept_data(installed: InstalledObjects, with_data: str) -> str:
    namespaces = ", ".join([*installed.namespaces, *installed.kept_namespaces])
    if not namespaces:
        return ""
    return f"Volumes and passwords stay, in the namespaces {namespaces}; `{with_data}` removes them."


def _down_command(request: InstallRequest, context: str, *, delete_data: bool) -> str:
    command = f"forebay down --cluster {request.cluster}" + (f" --context {context}" if context else "")
    return command + (" --delete-data" if delete_data else "")
