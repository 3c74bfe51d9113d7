"""The gate: may this model be deployed? Pure functions; the thresholds are settings of evaluate.

A model passes when it reaches `min_accuracy`, is better than always answering the largest class (`baseline.py`) and
is not worse than the champion: no significantly lower accuracy on the rows that neither of them was trained on, and no
class that loses more recall than `max_class_drop`. A tie with the champion passes. Classes without held-out rows are
named, and are neither right nor wrong in any number.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.class_names import class_list
from forebay.contracts.holdout import HASH, SOURCE, held_out_rows
from forebay.settings import EvaluateConfig

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The gate's answer and the numbers behind it."""

    passed: bool
    reason: str  # for people, one sentence
    version: str | None = None  # the champion's, where the weights are the same
    champion: dict[str, Any] | None = None  # what it was compared with; None where there was none to compare
    baseline: dict[str, Any] | None = None  # the constant answer beside it; None where evaluate.baseline is none
    unjudged: list[str] = field(default_factory=list)  # classes without held-out rows

    def naming(self, unjudged: list[str], hardly: list[str]) -> "Verdict":
        """The same verdict, whose reason names the classes that no held-out row shows, or too few to tell."""
        reason = self.reason
        if hardly:
            reason += f". Hardly judged, by too few held-out rows: {class_list(hardly)}"
        if unjudged:
            reason += f". Not judged, without held-out rows: {class_list(unjudged)}"
        return replace(self, reason=reason, unjudged=unjudged)

    def facts(self) -> dict[str, Any]:
        """As recorded in `evaluation.json`."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Candidate and champion on the same rows."""

    rows: int
    candidate_accuracy: float
    champion_accuracy: float
    only_candidate_right: int
    only_champion_right: int
    p_value: float  # exact one-sided McNemar test: how likely so many losses are when both are equally good
    worst_class: str | None  # the class that loses the most recall; None where none loses any
    worst_drop: float  # recall it loses
    uncompared: list[str]  # classes without any of these rows: what they lost is not known


def minimum(correct: int, rows: int, min_accuracy: float) -> Verdict | None:
    """Refuse an accuracy below the minimum; None where it is reached."""
    if correct / rows >= min_accuracy:
        return None
    return Verdict(
        passed=False,
        reason=f"accuracy {correct / rows:.4f} on {rows} held-out rows is below evaluate.min_accuracy {min_accuracy}",
    )


def incomparable(candidate: ModelSpec, champion: ModelSpec, name: str, version: str) -> Verdict | None:
    """Refuse to compare models of different tasks; None where classes and input agree."""
    differences = [
        f"{what}: {theirs} there, {ours} here"
        for what, theirs, ours in (
            ("classes", _classes(champion), _classes(candidate)),
            ("input", _input(champion), _input(candidate)),
        )
        if theirs != ours
    ]
    if not differences and candidate.classes != champion.classes:
        differences = ["classes: as many, but not the same names"]
    if not differences:
        return None
    return Verdict(
        passed=False,
        reason=f"not comparable with the champion {name} version {version} ({'; '.join(differences)}). "
        "Give this model another registered name with --name",
        champion={"version": version},
    )


def same_weights(name: str, version: str) -> Verdict:
    """Pass a model that is the champion already; its version is used again."""
    return Verdict(
        passed=True,
        reason=f"the weights are those of the champion {name} version {version}, which is used again",
        version=version,
        champion={"version": version},
    )


def no_shared_rows(name: str, version: str) -> Verdict:
    """Refuse a comparison on rows that the champion may have been trained on."""
    return Verdict(
        passed=False,
        reason=f"not comparable with the champion {name} version {version}: no test row is known to be held out for it "
        "as well, because it was split another way. Use its preprocess.split and preprocess.holdout, or give this "
        "model another registered name with --name",
        champion={"version": version},
    )


def held_out_for(model: ModelSpec, split_kind: str, sha256: NDArray[np.uint8]) -> Flags | None:
    """Which test rows, of its own data or of other, a model was surely not trained on.

    Args:
        split_kind: how these rows were split, hash or source.
        sha256: uint8, N x 32, of the test rows.

    Returns:
        bool, N; None where the model's record does not tell.
    """
    kind, holdout = model.data.get("split_kind"), model.data.get("holdout")
    if kind == HASH and isinstance(holdout, float):
        return held_out_rows(sha256, holdout, model.data.get("exceptions", {}))
    if kind == split_kind == SOURCE:
        return np.ones(len(sha256), np.bool_)
    return None


def compare(labels: NDArray[np.int64], candidate_right: Flags, champion_right: Flags, classes: list[str]) -> Comparison:
    """Set two models side by side on the same N rows, N at least 1."""
    drops = _recall_drops(labels, candidate_right, champion_right, len(classes))
    worst = int(np.nanargmax(drops))
    losses = int((champion_right & ~candidate_right).sum())
    wins = int((candidate_right & ~champion_right).sum())
    return Comparison(
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


def judge(comparison: Comparison, name: str, version: str, config: EvaluateConfig) -> Verdict:
    """Decide by the comparison with the champion."""
    both = f"{comparison.candidate_accuracy:.4f} against {comparison.champion_accuracy:.4f}"
    against = f"the champion {name} version {version} on the same {comparison.rows} rows"
    facts = {"version": version, **asdict(comparison)}
    if comparison.p_value < config.significance:
        reason = (
            f"significantly worse than {against}: accuracy {both}, {comparison.only_champion_right} rows lost and "
            f"{comparison.only_candidate_right} won, p {comparison.p_value:.2g} below {config.significance}"
        )
        return Verdict(passed=False, reason=reason, champion=facts)
    if comparison.worst_drop > config.max_class_drop:
        reason = (
            f"class {comparison.worst_class!r} loses {comparison.worst_drop:.3f} recall to {against}, more than "
            f"evaluate.max_class_drop {config.max_class_drop}"
        )
        return Verdict(passed=False, reason=reason, champion=facts)
    reason = f"not worse than {against}: accuracy {both}, p {comparison.p_value:.2g}"
    if comparison.uncompared:
        reason += f"; without any of these rows, so not compared: {class_list(comparison.uncompared)}"
    return Verdict(passed=True, reason=reason, champion=facts)


def mcnemar_p(losses: int, wins: int) -> float:
    """One-sided exact McNemar test: the chance of at least `losses` among the rows on which just one model is right.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947)
    153-157; exact form: binomial with probability 1/2. Summed in whole numbers, so it is rounded once.
    """
    rows = losses + wins
    chance, tail = math.comb(rows, losses), 0
    for count in range(losses, rows + 1):
        tail += chance
        chance = chance * (rows - count) // (count + 1)
    return tail / (1 << rows)


def _recall_drops(
    labels: NDArray[np.int64], candidate_right: Flags, champion_right: Flags, classes: int
) -> NDArray[np.float64]:
    """Recall each class loses against the champion; NaN where it has no rows."""
    rows = np.bincount(labels, minlength=classes)
    lost = np.bincount(labels[champion_right], minlength=classes) - np.bincount(
        labels[candidate_right], minlength=classes
    )
    with np.errstate(invalid="ignore"):
        return lost / rows


def _classes(spec: ModelSpec) -> str:
    names = ", ".join(spec.classes[:5])
    return f"{len(spec.classes)} ({names}{', …' if len(spec.classes) > 5 else ''})"


def _input(spec: ModelSpec) -> str:
    return f"{spec.height}x{spec.width}x{spec.channels}"
