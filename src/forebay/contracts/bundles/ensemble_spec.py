"""The spec of an ensemble, made from the specs of its members. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.bundles.spec_rules import COLUMNS, ENSEMBLE, MEMBERS, NETWORK_FIELDS
from forebay.contracts.holdout import HASH, common_holdout
from forebay.contracts.training_images import common_facts
from forebay.errors import ModelError
from forebay.settings.model_names import FOREBAY, ONNX


def ensemble_spec(
    models: Mapping[str, ModelSpec],
    classes: Sequence[str],
    *,
    training: dict[str, Any],
    data: dict[str, Any],
    lineage: dict[str, Any],
) -> ModelSpec:
    """The spec of the model that answers with the mean of these models' probabilities.

    A model that is an ensemble gives all its networks, each of which then counts like every other one.

    Args:
        models: by the name that an error has for them; one or more.
        classes: the order of the answer; the same classes as each model's.
        training, data, lineage: the ensemble's own facts.

    Returns:
        The spec without the digest of its weights. Names of network number i begin with `network_prefix(i)`.

    Raises:
        ModelError: the models do not take the same images or do not tell the same classes apart, one of them is an
            exported graph, or there are too few or too many networks.
    """
    first_name, first = next(iter(models.items()))
    for name, spec in models.items():
        if problem := _difference(first_name, first, name, spec):
            raise ModelError(problem)
    members = [member for spec in models.values() for member in _members(spec, classes)]
    fewest, most = MEMBERS
    if not fewest <= len(members) <= most:
        raise ModelError(f"An ensemble has {fewest} to {most} networks, and these are {len(members)}.")
    channels = range(first.channels)
    return replace(
        first, library=FOREBAY, library_version="", architecture=ENSEMBLE, options={},
        classes=list(classes), members=members, weights_sha256="",
        mean=[0.0 for _ in channels], std=[1.0 for _ in channels], temperature=1.0,  # each member has its own
        training=training, data=data, lineage=lineage,
        training_images=common_facts([spec.training_images for spec in models.values()]),
    )  # fmt: skip


def common_data_facts(models: Mapping[str, ModelSpec]) -> dict[str, Any]:
    """What is true of the data of all these models, with the split whose held-out rows none of them was trained on.

    Raises:
        ModelError: their records do not tell which rows that are.
    """
    name, first = next(iter(models.items()))
    kind = first.data.get("split_kind")
    for other, spec in models.items():
        theirs = spec.data.get("split_kind")
        if not theirs or theirs != kind:
            raise ModelError(
                f"{name} was trained on a split by {kind or 'a rule that is not known'}, {other} on one by "
                f"{theirs or 'a rule that is not known'}, so no row is known to be held out for both. Train them on "
                "one kind of split (preprocess.split)."
            )
    facts = {
        key: value for key, value in first.data.items() if all(spec.data.get(key) == value for spec in models.values())
    }
    if kind == HASH:
        splits = [(float(spec.data["holdout"]), spec.data.get("exceptions", {})) for spec in models.values()]
        facts["holdout"], facts["exceptions"] = common_holdout(splits)
    return facts


def network_prefix(number: int) -> str:
    """What the names of the tensors of an ensemble's network begin with; the first network is number 0."""
    return f"{number}."


def _members(spec: ModelSpec, classes: Sequence[str]) -> list[dict[str, Any]]:
    place = {name: index for index, name in enumerate(spec.classes)}
    straight = list(range(len(classes)))
    members = []
    for facts in spec.members or [{name: getattr(spec, name) for name in NETWORK_FIELDS}]:
        own = facts.get(COLUMNS, straight)
        columns = [own[place[name]] for name in classes]
        kept = {name: value for name, value in facts.items() if name != COLUMNS}
        members.append(kept if columns == straight else {**kept, COLUMNS: columns})
    return members


def _difference(first_name: str, first: ModelSpec, name: str, spec: ModelSpec) -> str:
    """Why the second model cannot answer beside the first one; empty where it can."""
    if spec.library == ONNX:
        return f"{name} is an exported graph (ONNX), and an ensemble is made of networks. Leave it out."
    for what, theirs, ours in (
        ("images", _input(spec), _input(first)),
        ("classes", _classes(spec), _classes(first)),
        ("images prepared with ingest.fit", spec.fit, first.fit),
        ("images of ingest.bits", spec.bits, first.bits),
        ("the task", spec.task, first.task),
    ):
        if theirs != ours:
            return f"{name} has {what} {theirs}, {first_name} has {ours}: an ensemble's models answer the same images."
    if set(spec.classes) != set(first.classes):
        other = min(set(spec.classes) - set(first.classes))
        return f"{name} knows the class {other!r}, {first_name} does not: an ensemble's models have the same classes."
    return ""


def _input(spec: ModelSpec) -> str:
    return f"{spec.height}x{spec.width}x{spec.channels}"


def _classes(spec: ModelSpec) -> int:
    return len(spec.classes)
