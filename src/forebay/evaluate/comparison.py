"""Candidate and champion side by side on the same rows. Pure functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.holdout import HASH, SOURCE, held_out_rows
from forebay.evaluate.significance import mcnemar_p

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ChampionComparison:
    """What candidate and champion got right on the same rows."""

    rows: int
    candidate_accuracy: float
    champion_accuracy: float
    only_candidate_right: int
    only_champion_right: int
    p_value: float  # exact one-sided McNemar test: how likely so many losses are when both are equally good
    worst_class: str | None  # the class that loses the most recall; None where none loses any
    worst_drop: float  # the recall that it loses
    uncompared: list[str]  # classes without any of these rows; what they lost is not known


def compare_with_champion(
    labels: NDArray[np.int64], candidate_right: BoolArray, champion_right: BoolArray, classes: list[str]
) -> ChampionComparison:
    """Compare two models on the same N rows, N at least 1."""
    drops = _recall_drops(labels, candidate_right, champion_right, len(classes))
    worst = int(np.nanargmax(drops))
    losses = int((champion_right & ~candidate_right).sum())
    wins = int((candidate_right & ~champion_right).sum())
    return ChampionComparison(
        rows=len(labels),
        candidate_accuracy=float(candidate_right.mean()),
        champion_accuracy=float(champion_right.mean()),
        only_candidate_right=wins,
        only_champion_right=losses,
        p_value=mcnemar_p(losses, wins),
        worst_class=classes[worst] if drops[worst] > 0 else None,
        worst_drop=max(0.0, float(drops[worst])),
        uncompared=[classes[label] for label in np.flatnonzero(np.isnan(drops))],
    )


def held_out_for(model: ModelSpec, split_kind: str, sha256: NDArray[np.uint8]) -> BoolArray | None:
    """Which test rows, of its own data or of other data, a model was surely not trained on.

    Args:
        model: spec of the model.
        split_kind: how these rows were split, hash or source.
        sha256: uint8, N x 32; digests of the test rows.

    Returns:
        bool, N; None where the model's record does not tell.
    """
    kind, holdout = model.data.get("split_kind"), model.data.get("holdout")
    if kind == HASH and isinstance(holdout, float):
        return held_out_rows(sha256, holdout, model.data.get("exceptions", {}))
    if kind == split_kind == SOURCE:
        return np.ones(len(sha256), np.bool_)
    return None


def _recall_drops(
    labels: NDArray[np.int64], candidate_right: BoolArray, champion_right: BoolArray, classes: int
) -> NDArray[np.float64]:
    """The recall that each class loses against the champion; NaN where it has no rows."""
    rows = np.bincount(labels, minlength=classes)
    lost = np.bincount(labels[champion_right], minlength=classes) - np.bincount(
        labels[candidate_right], minlength=classes
    )
    with np.errstate(invalid="ignore"):
        return lost / rows
