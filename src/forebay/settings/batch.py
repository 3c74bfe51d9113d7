"""Settings of batch prediction on a cluster. They are parameters of the batch pipeline, and of no other."""

from dataclasses import dataclass
from typing import ClassVar

from forebay.object_store import is_s3_uri
from forebay.settings.field import StepConfig, setting
from forebay.settings.rules import at_least

FORMATS = (".parquet", ".csv")  # by the suffix of the table


def _place_rule(value: str) -> str | None:
    if not value or (is_s3_uri(value) and value.lower().endswith(FORMATS)):
        return None
    return "must be s3://BUCKET/NAME.parquet or .csv, or empty"


@dataclass(frozen=True, kw_only=True)
class BatchConfig(StepConfig):
    """What to predict with, and what to write."""

    prefix: ClassVar[str] = "batch"

    model: str = setting(
        "",
        meaning="The registered model that predicts: NAME for its champion, NAME@champion or NAME/3; there is no "
        "default",
        rule=lambda value: None if value.strip() else "must name a model, such as digits@champion",
    )
    top: int = setting(
        5, unit="classes", meaning="How many classes are listed for each image, most probable first", rule=at_least(1)
    )
    probabilities: bool = setting(False, meaning="Whether to write the probabilities of all classes")
    out: str = setting(
        "",
        meaning="Where the table of predictions goes as well: s3://BUCKET/NAME.parquet or .csv; empty leaves it an "
        "artifact of the run alone",
        rule=_place_rule,
    )
