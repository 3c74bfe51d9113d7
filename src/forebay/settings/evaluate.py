"""Settings of the evaluate step and its gate."""

from dataclasses import dataclass
from typing import ClassVar

from forebay.settings.field import StepConfig, setting
from forebay.settings.rules import AUTO, between, matching, one_of


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(StepConfig):
    """What a model must show on held-out rows before it may be deployed."""

    prefix: ClassVar[str] = "evaluate"

    name: str = setting(
        AUTO,
        meaning="Registered model name; auto is the dataset's name",
        rule=matching(r"auto|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "my-model (lower-case letters, digits, hyphens)"),
    )
    min_accuracy: float = setting(
        0.5, unit="fraction of rows", meaning="The gate refuses a lower accuracy", rule=between(0, 1)
    )
    baseline: str = setting(
        "largest_class",
        meaning="The gate refuses a model that is no better than always answering the largest class; none: no rule",
        rule=one_of("largest_class", "none"),
    )
    max_class_drop: float = setting(
        0.1,
        unit="recall",
        meaning="The gate refuses when one class loses more recall than this against the champion",
        rule=between(0, 1),
    )
    significance: float = setting(
        0.05,
        unit="p-value",
        meaning="Below this p-value a paired test finds the model worse than the champion, or better than the baseline",
        rule=between(0.0001, 0.5),
    )
    confidence: float = setting(
        0.95, unit="probability", meaning="Coverage of the accuracy's Wilson interval", rule=between(0.5, 0.999)
    )
