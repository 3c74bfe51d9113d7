"""Manifests and chart, rendered: one `kubectl kustomize` a folder and one `helm template`, cut into pieces."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.install.charts.sources import EXTRAS
from forebay.install.commands import tools
from forebay.install.facts.objects import Object, namespace
from forebay.install.plan.action import PIECE_LABEL, RELEASE
from forebay.state.files import write_bytes

PIECES = ("namespaces", "cert-manager", "kserve-crds", "kserve", "pipelines-crds", *EXTRAS, "pipelines")
# The chart has objects of kinds that KServe and Trainer bring; pipelines read a Secret of its.
BEFORE_CHART = PIECES[: PIECES.index("pipelines")]
WORDS = 600  # the cause stands last
RENDER_S = 900.0  # manifests of others are fetched while it renders
CHART_FAILED = re.compile(r"execution error at \([^)]*\): ")


@dataclass(frozen=True)
class Piece:
    """Objects that are applied together."""

    name: str
    texts: list[str] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)


def kustomize_command(folder: Path) -> tuple[str, ...]:
    """What renders a folder."""
    return ("kubectl", "kustomize", str(folder))


def rendered(folder: Path) -> str:
    """What kubectl makes of a folder; pieces of others are fetched.

    Raises:
        ConfigError: it does not render.
    """
    answer = tools.read(kustomize_command(folder), timeout_s=RENDER_S)
    if answer.code:
        raise ConfigError(
            f"{folder} does not render: {answer.words[-WORDS:]} - mend it there, or let this machine reach what it "
            "names (git is needed as well)."
        )
    return answer.out


def pieces(
    folders: Sequence[Path], left_out: Sequence[str] = (), renamed: Mapping[str, str] | None = None
) -> list[Piece]:
    """Render folders and sort their objects by piece, in the order of installation.

    Args:
        folders: a scenario, then the optional pieces.
        left_out: names of pieces that the cluster has already.
        renamed: texts to put in the place of others, such as one registry for another.

    Raises:
        ConfigError: a folder does not render, or an object belongs to no piece.
    """
    found = {name: Piece(name) for name in PIECES}
    for folder in folders:
        text_of_all = rendered(folder)
        for before, after in (renamed or {}).items():
            text_of_all = text_of_all.replace(before, after)
        for text, each in _documents(text_of_all):
            name = (each["metadata"].get("labels") or {}).get(PIECE_LABEL)
            if name not in found:
                raise ConfigError(
                    f"{folder}: {each['kind']} {each['metadata']['name']} has the label {PIECE_LABEL}: {name}, "
                    f"which is none of {', '.join(PIECES)}. Give it one of these."
                )
            found[name].texts.append(text)
            found[name].objects.append(each)
    _drop_namespaces(found, set(left_out))
    return [piece for piece in found.values() if piece.objects and piece.name not in left_out]


def _drop_namespaces(found: Mapping[str, Piece], left_out: set[str]) -> None:
    """A namespace in which only somebody else's pieces are is theirs to label."""
    users: dict[str, set[str]] = {}
    for piece in found.values():
        for each in piece.objects:
            users.setdefault(namespace(each), set()).add(piece.name)
    first = found[PIECES[0]]
    kept = [
        (text, each)
        for text, each in zip(first.texts, first.objects, strict=True)
        if not (users.get(each["metadata"]["name"]) and users[each["metadata"]["name"]] <= left_out)
    ]
    first.texts[:], first.objects[:] = [text for text, _ in kept], [each for _, each in kept]


def _documents(text: str) -> list[tuple[str, Object]]:
    """Every document as it stands and as an object; kustomize indents whatever looks like a separator inside."""
    texts = [part.strip("\n") for part in re.split(r"^---$", text, flags=re.MULTILINE)]
    loaded = [(part, _load(part)) for part in texts]
    return [(part, each) for part, each in loaded if each]


def _load(text: str) -> Any:
    import yaml

    # Both are safe loaders, which make plain values and no object of a tag; the C one is ten times faster.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def write_pieces(found: Sequence[Piece], folder: Path) -> dict[str, Path]:
    """Write a file per piece: a kind can only be applied after its definition, and one file would name both.

    Returns:
        The file of each piece.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {piece.name: folder / f"{piece.name}.yaml" for piece in found}
    for piece in found:
        write_bytes(files[piece.name], ("\n---\n".join(piece.texts) + "\n").encode())
    return files


def chart_objects(chart: Path, values: Sequence[str]) -> list[Object]:
    """What the chart makes of the user's values, without a cluster. It holds passwords: never print or keep it.

    Args:
        chart: its folder.
        values: the words `--values FILE` and `--set KEY=VALUE` of the later `helm upgrade`.

    Raises:
        ConfigError: the chart refuses the values, in its own words.
    """
    answer = tools.read(("helm", "template", RELEASE, str(chart), "--namespace", RELEASE, *values))
    if answer.code:
        words = CHART_FAILED.split(" ".join(answer.err.split()).removeprefix("Error: "))[-1]
        raise ConfigError(f"The chart refuses these values: {words.removesuffix(' Use --debug flag to render')}")
    return [each for _, each in _documents(answer.out)]
