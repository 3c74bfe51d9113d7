"""`forebay down`: find what is ours by its labels, ask, remove it. Run again, it goes on or changes nothing."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from forebay.errors import MachineError
from forebay.install.charts.render import PIECES
from forebay.install.commands import tools
from forebay.install.commands.perform import Say, perform
from forebay.install.facts import facts as cluster
from forebay.install.facts import kind
from forebay.install.plan.action import KIND_CLUSTER, KIND_CONTEXT, PIECE_LABEL, Target
from forebay.install.plan.down import HELM_LABEL, Present, down_actions, kind_removal
from forebay.install.request import Request
from forebay.install.up import Confirm, target_of
from forebay.state import FileLock, Home

SHOWN = 5  # names in a question
MADE_BY_OTHERS = {"endpoints", "endpointslices.discovery.k8s.io", "events", "events.events.k8s.io"}  # with our labels
WHICH = ("api-resources", "--verbs", "list,delete", "--output", "name")
WORKLOADS = "deployments,statefulsets,jobs,persistentvolumeclaims"


def down(request: Request, home: Home, say: Say, confirm: Confirm, *, delete_data: bool) -> None:
    """Remove the platform, or print how.

    Args:
        request: which cluster.
        home: the state folder, open.
        say: shows a line to the person.
        confirm: asks before anything goes.
        delete_data: volumes, Secrets and namespaces as well; of kind, the cluster.

    Raises:
        MachineError: a tool or the cluster does not answer; nothing was changed.
        ClusterError: a command failed; the next try goes on from there.
    """
    with FileLock(home.root / "cluster.lock").held("`forebay down`"):
        folder = home.root / "cluster" / request.cluster
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if request.cluster == "kind":
            _kind(request, folder, say, confirm, delete_data=delete_data)
        else:
            _pieces(request, folder, say, confirm, delete_data=delete_data)


def _kind(request: Request, folder: Path, say: Say, confirm: Confirm, *, delete_data: bool) -> None:
    tools.require(("kubectl", "helm", "kind"))
    if not kind.cluster_exists():
        say(f"{'# ' if request.dry_run else ''}There is no kind cluster of ours: nothing to remove.")
    elif not delete_data or not kind.was_made(folder):
        _pieces(request, folder, say, confirm, delete_data=delete_data)
        if delete_data:
            say(
                f"{'# ' if request.dry_run else ''}The kind cluster {KIND_CLUSTER} itself stays, for no `forebay up` "
                f"with this state folder made it; `{kind_removal().line()}` removes it."
            )
    elif request.dry_run:
        say(kind_removal().line())
    else:
        confirm(f"Remove the cluster {KIND_CONTEXT} with every volume, model and run in it?")
        perform([kind_removal()], folder / "down.log", say, _again(request, "", delete_data=True))
        kind.forget(folder)


def _pieces(request: Request, folder: Path, say: Say, confirm: Confirm, *, delete_data: bool) -> None:
    tools.require(("kubectl", "helm"))
    target, log = target_of(request), folder / "down.log"
    say(f"{'# ' if request.dry_run else ''}Acts on the cluster of the context {target.context}")
    try:
        present = _present(target)
    except MachineError as error:
        if not request.dry_run:
            raise
        say(f"# Not looked at, so only the chart is listed. {error}")
        present = Present(release=True)
    context = target.context if request.cluster == "current" else ""
    actions = list(down_actions(target, present, PIECES, delete_data=delete_data))
    if request.dry_run:
        for action in actions:
            say(f"# {action.title}\n{action.line()}")
        return
    if actions:
        confirm(_question(target, present, delete_data=delete_data))
        log.write_text("")
        perform(actions, log, say, _again(request, context, delete_data=delete_data))
    everything = _again(request, context, delete_data=True)
    say("Nothing of Forebay runs there now." + ("" if delete_data else f" {_stays(present, everything)}"))


def _present(target: Target) -> Present:
    """What of ours the cluster holds, found by its labels alone, whatever version put it there."""
    now = cluster.read_facts(target)
    served = {row[0] for row in _rows(target, *WHICH, ok=(0, 1))}  # 1: an API of somebody else's does not answer
    made = sorted(name for name, owner in now.namespaces.items() if owner not in ("", "kept"))
    return Present(
        kinds=_labelled(target, sorted(served - MADE_BY_OTHERS)),
        instances=_instances(target, sorted(name for name, piece in now.definitions.items() if piece)),
        release=now.release is not None,
        namespaces=made,
        kept_namespaces={name: now.levels[name] for name, owner in sorted(now.namespaces.items()) if owner == "kept"},
        others=[f"{name}/{each}" for name in made for each in _others(target, name)],
    )


def _rows(target: Target, *words: str, ok: tuple[int, ...] = (0,)) -> list[list[str]]:
    return [line.split() for line in cluster.asked(target, *words, ok=ok).splitlines() if line.split()]


def _labelled(target: Target, kinds: list[str]) -> dict[str, list[str]]:
    """Kinds that the cluster holds with our label, by piece. Names and kinds only are asked for."""
    label = PIECE_LABEL.replace(".", "\\.")
    columns = f"custom-columns=P:.metadata.labels.{label},K:.kind,A:.apiVersion"
    words = ("get", ",".join(kinds), "--all-namespaces", "--selector", PIECE_LABEL, "--no-headers", "--output", columns)
    found: dict[str, list[str]] = defaultdict(list)
    for piece, name, version in (row for row in _rows(target, *words) if len(row) == 3) if kinds else ():
        kind_of = ".".join(filter(None, (name.lower(), version.rpartition("/")[0])))
        if kind_of not in found[piece]:
            found[piece].append(kind_of)
    return found


def _instances(target: Target, definitions: list[str]) -> dict[str, list[str]]:
    """What people made of the kinds that go."""
    selector = ("--selector", f"!{PIECE_LABEL},{HELM_LABEL.replace('=', '!=')}")
    words = ("get", ",".join(definitions), "--all-namespaces", *selector, "--output", "name")
    found: dict[str, list[str]] = defaultdict(list)
    for row in _rows(target, *words) if definitions else []:
        singular, _, name = row[0].partition("/")
        word, _, group = singular.partition(".")
        plural = next((each for each in definitions if each.endswith(f".{group}") and each.startswith(word)), singular)
        found[plural].append(name)
    return found


def _others(target: Target, namespace: str) -> list[str]:
    selector = f"!{PIECE_LABEL},{HELM_LABEL.replace('=', '!=')}"
    return [
        row[0]
        for row in _rows(target, "get", WORKLOADS, "--namespace", namespace, "--selector", selector, "--output", "name")
    ]


def _question(target: Target, present: Present, *, delete_data: bool) -> str:
    parts = [f"Remove Forebay from the cluster of the context {target.context}?"]
    for name, each in present.instances.items():
        parts.append(f"Of {name} go: {_listed(each)}.")
    if delete_data:
        parts.append(f"All volumes and passwords go, with the namespaces {', '.join(present.namespaces) or 'none'}.")
        parts += [f"They hold, of others: {_listed(present.others)}."] if present.others else []
    return " ".join(parts)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _stays(present: Present, everything: str) -> str:
    spaces = ", ".join([*present.namespaces, *present.kept_namespaces])
    if not spaces:
        return ""
    return f"Volumes and passwords stay, in the namespaces {spaces}; `{everything}` removes them."


def _again(request: Request, context: str, *, delete_data: bool) -> str:
    words = f"forebay down --cluster {request.cluster}" + (f" --context {context}" if context else "")
    return words + (" --delete-data" if delete_data else "")
