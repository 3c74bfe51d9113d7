"""Is a model better than always answering the largest class? Pure functions; the rule is part of the gate.

The largest class is that of the held-out rows themselves: no constant answer gets more of them right, so a model that
has learned nothing does not pass, whatever the shares of the classes were in training. Where so few held-out rows are
of another class that not even all of them right would be significant, a model has to be better, and the doubt is said.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.class_names import class_list
from forebay.evaluate.gate import Flags, Verdict, mcnemar_p
from forebay.settings import EvaluateConfig

LARGEST_CLASS = "largest_class"  # value of evaluate.baseline; the other one is none


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A model and a constant answer on the same rows."""

    class_name: str  # the constant answer: the class with the most held-out rows, of equals the first
    rows: int
    other_rows: int  # rows of other classes: all that a model can win
    accuracy: float  # accuracy of the constant answer
    model_accuracy: float
    balanced_accuracy: float  # the model's: mean recall of the classes that have rows; a constant answer has 1/classes
    only_model_right: int
    only_baseline_right: int
    p_value: float  # exact one-sided McNemar test: how likely so many wins are when both are equally good


def against_largest_class(labels: NDArray[np.int64], right: Flags, classes: list[str]) -> Baseline:
    """Set a model beside the constant answer on N rows, N at least 1."""
    support = np.bincount(labels, minlength=len(classes))
    largest = int(support.argmax())
    wins = int((right & (labels != largest)).sum())
    losses = int((~right & (labels == largest)).sum())
    hits = np.bincount(labels[right], minlength=len(classes))
    return Baseline(
        class_name=classes[largest],
        rows=len(labels),
        other_rows=int(len(labels) - support[largest]),
        accuracy=float(support[largest] / len(labels)),
        model_accuracy=float(right.mean()),
        balanced_accuracy=float((hits[support > 0] / support[support > 0]).mean()),
        only_model_right=wins,
        only_baseline_right=losses,
        p_value=mcnemar_p(wins, losses),
    )


def rows_to_tell(significance: float) -> int:
    """Rows of other classes from which on a model that answers all of them right is significantly better."""
    rows = 1
    while mcnemar_p(rows, 0) >= significance:
        rows += 1
    return rows


def refusal(found: Baseline, config: EvaluateConfig) -> Verdict | None:
    """Refuse a model that is no better; None where it is, or where too few rows could tell and it got more right."""
    if found.other_rows == 0:
        return Verdict(
            passed=False,
            reason=f"all {found.rows} held-out rows are of class {found.class_name!r}, so the model cannot be told "
            "from always answering that. Add images of the other classes, or set evaluate.baseline=none",
        )
    if _better(found, config):
        return None
    same = f"accuracy {found.model_accuracy:.4f} against {found.accuracy:.4f} on the same {found.rows} held-out rows"
    return Verdict(
        passed=False,
        reason=f"no better than always answering {found.class_name!r}, the largest class: {same}, "
        f"{found.only_model_right} won and {found.only_baseline_right} lost, p {found.p_value:.2g} not below "
        f"{config.significance} (balanced accuracy {found.balanced_accuracy:.4f}). Where accuracy is not what counts, "
        "set evaluate.baseline=none",
    )


def doubt(found: Baseline, judged: list[str], config: EvaluateConfig) -> str | None:
    """What a person should know where the held-out rows are too few to tell; None where they are not.

    Args:
        judged: the classes with held-out rows.
    """
    others = [name for name in judged if name != found.class_name]
    needed = rows_to_tell(config.significance)
    if found.other_rows == 0 or found.other_rows >= needed:
        return None
    return (
        f"only {found.other_rows} of {found.rows} held-out rows are of another class than {found.class_name!r} "
        f"({class_list(others)}): too few to tell the model from always answering that (p {found.p_value:.2g}, "
        f"evaluate.significance {config.significance}); it takes {needed}. Add images of other classes"
    )


def _better(found: Baseline, config: EvaluateConfig) -> bool:
    if found.other_rows < rows_to_tell(config.significance):
        return found.only_model_right > found.only_baseline_right
    return found.p_value < config.significance
