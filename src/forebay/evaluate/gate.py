"""The gate: may this model be deployed? Pure functions; the thresholds are settings of evaluate.

A model passes when it reaches `min_accuracy`, is better than always answering the largest class (`baseline.py`) and
is not worse than the champion: its accuracy is not significantly lower on the rows that neither of them was trained on,
and no class loses more recall than `max_class_drop`. A tie with the champion passes. Classes without held-out rows are
named, and no number counts them as right or as wrong.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.class_names import class_list
from forebay.evaluate.comparison import ChampionComparison
from forebay.settings import EvaluateConfig


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """The gate's answer and the numbers behind it."""

    passed: bool
    reason: str  # one sentence for people
    version: str | None = None  # the champion's, where the weights are the same
    champion: dict[str, Any] | None = None  # the comparison; None where there was no champion to compare with
    baseline: dict[str, Any] | None = None  # the comparison with a constant answer; None with evaluate.baseline=none
    unjudged: list[str] = field(default_factory=list)  # classes without held-out rows

    def with_unjudged(self, unjudged: list[str], hardly_judged: list[str]) -> "GateDecision":
        """The same decision; its reason also names the classes with no held-out rows, or with too few to tell."""
        reason = self.reason
        if hardly_judged:
            reason += f". Hardly judged, by too few held-out rows: {class_list(hardly_judged)}"
        if unjudged:
            reason += f". Not judged, without held-out rows: {class_list(unjudged)}"
        return replace(self, reason=reason, unjudged=unjudged)

    def as_dict(self) -> dict[str, Any]:
        """The decision as `evaluation.json` records it."""
        return asdict(self)


def check_min_accuracy(correct: int, rows: int, min_accuracy: float) -> GateDecision | None:
    """Refuse an accuracy below the minimum; None where it is reached."""
    if correct / rows >= min_accuracy:
        return None
    return GateDecision(
        passed=False,
        reason=f"accuracy {correct / rows:.4f} on {rows} held-out rows is below evaluate.min_accuracy {min_accuracy}",
    )


def check_same_task(candidate: ModelSpec, champion: ModelSpec, name: str, version: str) -> GateDecision | None:
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
    return GateDecision(
        passed=False,
        reason=f"not comparable with the champion {name} version {version} ({'; '.join(differences)}). "
        "Give this model another registered name with --name",
        champion={"version": version},
    )


def accept_champion_itself(name: str, version: str) -> GateDecision:
    """Pass a model that is the champion already; its version is used again."""
    return GateDecision(
        passed=True,
        reason=f"the weights are those of the champion {name} version {version}, which is used again",
        version=version,
        champion={"version": version},
    )


def accept_first_model(name: str, accuracy: float, min_accuracy: float) -> GateDecision:
    """Pass a model that has no champion to be compared with."""
    reached = f"accuracy {accuracy:.4f} reaches evaluate.min_accuracy {min_accuracy}"
    return GateDecision(passed=True, reason=f"{reached}, and {name} has no champion yet")


def refuse_without_shared_rows(name: str, version: str) -> GateDecision:
    """Refuse a comparison on rows that the champion may have been trained on."""
    return GateDecision(
        passed=False,
        reason=f"not comparable with the champion {name} version {version}: no test row is known to be held out for it "
        "as well, because it was split another way. Use its preprocess.split and preprocess.holdout, or give this "
        "model another registered name with --name",
        champion={"version": version},
    )


def decide_by_comparison(
    comparison: ChampionComparison, name: str, version: str, config: EvaluateConfig
) -> GateDecision:
    """Decide by the comparison with the champion."""
    both = f"{comparison.candidate_accuracy:.4f} against {comparison.champion_accuracy:.4f}"
    against = f"the champion {name} version {version} on the same {comparison.rows} rows"
    facts = {"version": version, **asdict(comparison)}
    if comparison.p_value < config.significance:
        reason = (
            f"significantly worse than {against}: accuracy {both}, {comparison.only_champion_right} rows lost and "
            f"{comparison.only_candidate_right} won, p {comparison.p_value:.2g} below {config.significance}"
        )
        return GateDecision(passed=False, reason=reason, champion=facts)
    if comparison.worst_drop > config.max_class_drop:
        reason = (
            f"class {comparison.worst_class!r} loses {comparison.worst_drop:.3f} recall to {against}, more than "
            f"evaluate.max_class_drop {config.max_class_drop}"
        )
        return GateDecision(passed=False, reason=reason, champion=facts)
    reason = f"not worse than {against}: accuracy {both}, p {comparison.p_value:.2g}"
    if comparison.uncompared:
        reason += f"; without any of these rows, so not compared: {class_list(comparison.uncompared)}"
    return GateDecision(passed=True, reason=reason, champion=facts)


def _classes(spec: ModelSpec) -> str:
    names = ", ".join(spec.classes[:5])
    return f"{len(spec.classes)} ({names}{', …' if len(spec.classes) > 5 else ''})"


def _input(spec: ModelSpec) -> str:
    return f"{spec.height}x{spec.width}x{spec.channels}"
