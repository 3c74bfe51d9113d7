"""Render manifests with `kubectl kustomize` and the chart with `helm template`, and sort the objects by piece."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.install.charts.sources import OPTIONAL_PIECES
from forebay.install.commands import programs
from forebay.install.facts.kubernetes_objects import Object, namespace_of
from forebay.install.names import PIECE_LABEL, RELEASE
from forebay.state.files import write_bytes

PIECES = ("namespaces", "cert-manager", "kserve-crds", "kserve", "pipelines-crds", *OPTIONAL_PIECES, "pipelines")
# The chart has objects of kinds that KServe and Trainer define; pipelines read a Secret that the chart makes.
BEFORE_CHART = PIECES[: PIECES.index("pipelines")]
MESSAGE_CHARACTERS = 600  # length of a message whose end says the cause
RENDER_TIMEOUT_S = 900.0  # kubectl fetches upstream's manifests meanwhile
CHART_FAILED = re.compile(r"execution error at \([^)]*\): ")


@dataclass(frozen=True)
class PlatformPiece:
    """Objects that are applied together."""

    name: str
    texts: list[str] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)


def kustomize_command(folder: Path) -> tuple[str, ...]:
    """The command that renders a folder."""
    return ("kubectl", "kustomize", str(folder))


def render_folder(folder: Path) -> str:
    """Render a folder; kubectl fetches upstream's manifests.

    Raises:
        ConfigError: it does not render.
    """
    result = programs.read_output(kustomize_command(folder), timeout_s=RENDER_TIMEOUT_S)
    if result.exit_code:
        raise ConfigError(
            f"{folder} does not render: {result.message[-MESSAGE_CHARACTERS:]}. Correct it there, or let this machine "
            "reach the addresses that it names (git is needed as well)."
        )
    return result.stdout


def render_pieces(
    folders: Sequence[Path], excluded: Sequence[str] = (), replacements: Mapping[str, str] | None = None
) -> list[PlatformPiece]:
    """Render folders and sort their objects by piece, in the order of installation.

    Args:
        folders: a scenario, then the optional pieces.
        excluded: names of pieces that the cluster has already.
        replacements: new texts by old ones, such as one registry for another.

    Raises:
        ConfigError: a folder does not render, or an object belongs to no piece.
    """
    found = {name: PlatformPiece(name) for name in PIECES}
    for folder in folders:
        rendered = render_folder(folder)
        for old, new in (replacements or {}).items():
            rendered = rendered.replace(old, new)
        for text, each in _documents(rendered):
            name = (each["metadata"].get("labels") or {}).get(PIECE_LABEL)
            if name not in found:
                raise ConfigError(
                    f"{folder}: {each['kind']} {each['metadata']['name']} has the label {PIECE_LABEL}: {name}, "
                    f"which is none of {', '.join(PIECES)}. Give it one of these."
                )
            found[name].texts.append(text)
            found[name].objects.append(each)
    _drop_namespaces(found, set(excluded))
    return [piece for piece in found.values() if piece.objects and piece.name not in excluded]


def _drop_namespaces(found: Mapping[str, PlatformPiece], excluded: set[str]) -> None:
    """Leave out a namespace that only excluded pieces use: somebody else labels it."""
    users: dict[str, set[str]] = {}
    for piece in found.values():
        for each in piece.objects:
            users.setdefault(namespace_of(each), set()).add(piece.name)
    first = found[PIECES[0]]
    kept = [
        (text, each)
        for text, each in zip(first.texts, first.objects, strict=True)
        if not (users.get(each["metadata"]["name"]) and users[each["metadata"]["name"]] <= excluded)
    ]
    first.texts[:], first.objects[:] = [text for text, _ in kept], [each for _, each in kept]


def _documents(text: str) -> list[tuple[str, Object]]:
    """Every document as text and as an object; kustomize indents what looks like a separator inside one."""
    texts = [part.strip("\n") for part in re.split(r"^---$", text, flags=re.MULTILINE)]
    loaded = [(part, _load(part)) for part in texts]
    return [(part, each) for part, each in loaded if each]


def _load(text: str) -> Any:
    import yaml

    # S506 knows safe loaders only by a literal name: both of these make plain values and no Python objects. The C one,
    # which a PyYAML without libyaml lacks, is ten times faster.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def write_pieces(found: Sequence[PlatformPiece], folder: Path) -> dict[str, Path]:
    """Write a file for each piece: a kind can be applied only after its definition, so they cannot share a file.

    Returns:
        The file of each piece.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {piece.name: folder / f"{piece.name}.yaml" for piece in found}
    for piece in found:
        write_bytes(files[piece.name], ("\n---\n".join(piece.texts) + "\n").encode())
    return files


def render_chart(chart: Path, value_arguments: Sequence[str]) -> list[Object]:
    """Render the chart with the user's values, without a cluster. They hold passwords: never print or keep them.

    Args:
        chart: its folder.
        value_arguments: `--values FILE` and `--set KEY=VALUE` as for the later `helm upgrade`.

    Raises:
        ConfigError: the chart refuses the values; the message is the chart's own.
    """
    result = programs.read_output(("helm", "template", RELEASE, str(chart), "--namespace", RELEASE, *value_arguments))
    if result.exit_code:
        reason = CHART_FAILED.split(" ".join(result.stderr.split()).removeprefix("Error: "))[-1]
        raise ConfigError(f"The chart refuses these values: {reason.removesuffix(' Use --debug flag to render')}")
    return [each for _, each in _documents(result.stdout)]
