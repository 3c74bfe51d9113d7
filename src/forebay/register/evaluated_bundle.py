"""A bundle with what is known of it when it is registered."""

from dataclasses import dataclass

from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest


@dataclass(frozen=True, kw_only=True)
class EvaluatedBundle:
    """A bundle, its evaluation, and the data of both."""

    spec: ModelSpec
    record: BundleRecord
    evaluation: EvaluationResult
    data: SplitManifest
