"""Is a model better than always answering the largest class? Pure functions; the rule is part of the gate.

The largest class is that of the held-out rows themselves. No constant answer gets more of them right, so a model that
has learned nothing does not pass, whatever the shares of the classes were in training. Where so few held-out rows are
of another class that not even all of them right would be significant, a model must get more rows right than the
constant answer, and a note says how uncertain that is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.class_names import class_list
from forebay.evaluate.comparison import BoolArray
from forebay.evaluate.gate import GateDecision
from forebay.evaluate.significance import fewest_significant_rows, mcnemar_p
from forebay.settings import EvaluateConfig

LARGEST_CLASS = "largest_class"  # a value of the setting evaluate.baseline; the other one is none


@dataclass(frozen=True, kw_only=True)
class BaselineComparison:
    """What a model and a constant answer got right on the same rows."""

    class_name: str  # the constant answer: the class with the most held-out rows, or the first of several
    rows: int
    other_rows: int  # rows of other classes: all that a model can win
    accuracy: float  # the constant answer's
    model_accuracy: float
    balanced_accuracy: float  # the model's: mean recall of the classes that have rows; a constant answer has 1/classes
    only_model_right: int
    only_baseline_right: int
    p_value: float  # exact one-sided McNemar test: how likely so many wins are when both are equally good


def compare_with_largest_class(
    labels: NDArray[np.int64], is_right: BoolArray, classes: list[str]
) -> BaselineComparison:
    """Compare a model with the constant answer on N rows, N at least 1."""
    support = np.bincount(labels, minlength=len(classes))
    largest = int(support.argmax())
    wins = int((is_right & (labels != largest)).sum())
    losses = int((~is_right & (labels == largest)).sum())
    hits = np.bincount(labels[is_right], minlength=len(classes))
    return BaselineComparison(
        class_name=classes[largest],
        rows=len(labels),
        other_rows=int(len(labels) - support[largest]),
        accuracy=float(support[largest] / len(labels)),
        model_accuracy=float(is_right.mean()),
        balanced_accuracy=float((hits[support > 0] / support[support > 0]).mean()),
        only_model_right=wins,
        only_baseline_right=losses,
        p_value=mcnemar_p(wins, losses),
    )


def check_baseline(comparison: BaselineComparison, config: EvaluateConfig) -> GateDecision | None:
    """Refuse a model that is no better; None where it is better."""
    if comparison.other_rows == 0:
        return GateDecision(
            passed=False,
            reason=f"all {comparison.rows} held-out rows are of class {comparison.class_name!r}, so the model cannot "
            "be told from always answering that. Add images of the other classes, or set evaluate.baseline=none",
        )
    if _is_better(comparison, config):
        return None
    accuracies = f"accuracy {comparison.model_accuracy:.4f} against {comparison.accuracy:.4f}"
    return GateDecision(
        passed=False,
        reason=f"no better than always answering {comparison.class_name!r}, the largest class: {accuracies} on the "
        f"same {comparison.rows} held-out rows, {comparison.only_model_right} won and "
        f"{comparison.only_baseline_right} lost, p {comparison.p_value:.2g} not below {config.significance} (balanced "
        f"accuracy {comparison.balanced_accuracy:.4f}). Where accuracy is not what counts, set evaluate.baseline=none",
    )


def uncertainty_note(comparison: BaselineComparison, judged: list[str], config: EvaluateConfig) -> str | None:
    """What a person should know where the held-out rows are too few to tell; None where they are enough.

    Args:
        comparison: the model beside the constant answer.
        judged: the classes with held-out rows.
        config: holds the significance.
    """
    others = [name for name in judged if name != comparison.class_name]
    needed = fewest_significant_rows(config.significance)
    if comparison.other_rows == 0 or comparison.other_rows >= needed:
        return None
    return (
        f"only {comparison.other_rows} of {comparison.rows} held-out rows are of another class than "
        f"{comparison.class_name!r} ({class_list(others)}): too few to tell the model from always answering that "
        f"(p {comparison.p_value:.2g}, evaluate.significance {config.significance}); it takes {needed}. Add images of "
        "other classes"
    )


def _is_better(comparison: BaselineComparison, config: EvaluateConfig) -> bool:
    if comparison.other_rows < fewest_significant_rows(config.significance):
        return comparison.only_model_right > comparison.only_baseline_right
    return comparison.p_value < config.significance
