"""What an ensemble gains over the best of its members, on the same held-out rows, and what it costs."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.shards import DatasetSplit
from forebay.evaluate import metrics
from forebay.evaluate.predict import predict
from forebay.evaluate.significance import mcnemar_p, paired_difference_interval
from forebay.state import StepLog

if TYPE_CHECKING:
    from forebay.models import Classifier
    from forebay.models.classifier import NetworkClassifier

TIMED_ROWS = 32
TIMED_PASSES = 3


@dataclass(frozen=True, kw_only=True)
class MemberScore:
    """What one member shows alone."""

    name: str  # where it comes from, such as `seed 1` or `digits/3`
    architecture: str
    accuracy: float
    log_loss: float
    parameters: int
    cpu_ms: float  # CPU time of one image, on one thread, in batches; measured, so never the same twice


@dataclass(frozen=True, kw_only=True)
class EnsembleComparison:
    """An ensemble beside the best of its members, which is chosen on these rows: a gain is rather too small."""

    members: list[MemberScore]
    best: str  # its name: the highest accuracy, and of several the lowest log loss
    rows: int
    accuracy: float  # the ensemble's
    best_accuracy: float
    gain: float  # accuracy against the best member's, with its interval
    low: float
    high: float
    confidence: float
    only_ensemble_right: int
    only_best_right: int
    p_value: float  # exact one-sided McNemar test: how likely so many wins are when both are equally good
    cpu_ms: float  # of one image, all members together
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """The comparison as `evaluation.json` records it."""
        return asdict(self)

    @property
    def metrics(self) -> dict[str, float]:
        """What MLflow and KFP show."""
        return {
            "members": float(len(self.members)),
            "best_member_accuracy": self.best_accuracy,
            "ensemble_gain": self.gain,
            "ensemble_gain_low": self.low,
            "ensemble_gain_high": self.high,
            "ensemble_gain_p": self.p_value,
        }


@dataclass(frozen=True, kw_only=True)
class HeldOutAnswers:
    """What a model answers to the N test rows."""

    probabilities: NDArray[np.float32]  # N x K
    untempered: NDArray[np.float64] | None  # the same without temperatures; None where they are all 1
    gain: EnsembleComparison | None  # of an ensemble


def predict_with_members(
    classifier: "Classifier", test: DatasetSplit, confidence: float, log: StepLog
) -> HeldOutAnswers:
    """The answer to every row, and for an ensemble what it gains.

    Args:
        classifier: the model.
        test: N held-out rows, N at least 1.
        confidence: coverage of the gain's interval.
        log: shows the progress.

    Raises:
        ModelError: the model, or a member, answers with NaN or infinity.
    """
    from forebay.models.classifier import EnsembleClassifier, mean_probabilities

    if not isinstance(classifier, EnsembleClassifier):
        probabilities = predict(classifier, test, log)
        temperature = classifier.spec.temperature
        before = without_temperature(probabilities, temperature) if temperature != 1 else None
        return HeldOutAnswers(probabilities=probabilities, untempered=before, gain=None)
    scores: list[MemberScore] = []
    right: list[NDArray[np.bool_]] = []
    names = member_names(classifier.spec)
    has_temperature = any(member.spec.temperature != 1 for member in classifier.members)
    untempered = np.zeros((len(test), len(classifier.spec.classes)) if has_temperature else 0)

    def answer(number: int) -> NDArray[np.float32]:
        member = classifier.members[number]
        answers = predict(member, test, log, part=(number, len(names)))
        right.append(answers.argmax(axis=1) == test.labels)
        if has_temperature:
            untempered[:] += without_temperature(answers, member.spec.temperature) / len(names)
        scores.append(_score(names[number], member, test, answers))
        return answers

    probabilities = mean_probabilities(answer(number) for number in range(len(names)))
    is_right = probabilities.argmax(axis=1) == test.labels
    gain = compare_with_best(scores, right, is_right, confidence)
    return HeldOutAnswers(probabilities=probabilities, untempered=untempered if has_temperature else None, gain=gain)


def without_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """The softmax of logits (N x K) from the softmax of the logits divided by a temperature."""
    powers = probabilities.astype(np.float64) ** temperature
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


def _score(name: str, member: "NetworkClassifier", test: DatasetSplit, answers: NDArray[np.float32]) -> MemberScore:
    return MemberScore(
        name=name,
        architecture=member.spec.architecture,
        accuracy=float((answers.argmax(axis=1) == test.labels).mean()),
        log_loss=metrics.log_loss(test.labels, answers.astype(np.float64)),
        parameters=member.parameter_count,
        cpu_ms=_cpu_ms(member, test.images_NHWC(0, TIMED_ROWS)),
    )


def _cpu_ms(member: "Classifier", images_NHWC: NDArray[np.uint8]) -> float:
    """The least CPU time of one image over some passes; with more threads, the time would count those that wait."""
    import torch

    threads, found = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for _ in range(TIMED_PASSES):
            start = time.thread_time()
            member.predict(images_NHWC)
            found.append(1000 * (time.thread_time() - start) / len(images_NHWC))
    finally:
        torch.set_num_threads(threads)
    return round(min(found), 4)


def compare_with_best(
    scores: Sequence[MemberScore], right: Sequence[NDArray[np.bool_]], is_right: NDArray[np.bool_], confidence: float
) -> EnsembleComparison:
    """Compare an ensemble with its best member; a pure function.

    Args:
        scores: of each member.
        right: for each member which of the N rows it gets right alone, N at least 1.
        is_right: which of them the ensemble gets right.
        confidence: coverage of the gain's interval.
    """
    best = min(range(len(scores)), key=lambda number: (-scores[number].accuracy, scores[number].log_loss))
    wins, losses = int((is_right & ~right[best]).sum()), int((~is_right & right[best]).sum())
    rows = len(is_right)
    low, high = paired_difference_interval(wins, losses, rows, confidence)
    return EnsembleComparison(
        members=list(scores),
        best=scores[best].name,
        rows=rows,
        accuracy=float(is_right.mean()),
        best_accuracy=scores[best].accuracy,
        gain=(wins - losses) / rows,
        low=low,
        high=high,
        confidence=confidence,
        only_ensemble_right=wins,
        only_best_right=losses,
        p_value=mcnemar_p(wins, losses),
        cpu_ms=round(sum(score.cpu_ms for score in scores), 4),
        parameters=sum(score.parameters for score in scores),
    )


def member_names(spec: ModelSpec) -> list[str]:
    """Where the members of an ensemble come from, as its lineage says; numbers where it does not."""
    origins = [str(origin["name"]) for origin in spec.lineage.get("members", [])]
    return origins if len(origins) == len(spec.members) else [f"member {i + 1}" for i in range(len(spec.members))]
