"""The part of a model card that says what the model is not good for. Pure functions."""

from forebay.contracts.calibration import ERROR, describe_temperature
from forebay.contracts.evaluation import EvaluationResult
from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.markdown import bullets, escape
from forebay.text import join_names

LARGE_ERROR = 0.05  # of calibration, from which a probability should not be read as one


def limits_section(bundle: EvaluatedBundle) -> str:
    """Over-fitting, calibration, what nobody judged, and what holds for every classifier."""
    evaluation = bundle.evaluation
    sentences = [
        _overfitting(evaluation),
        _calibration(evaluation),
        *_unjudged(evaluation),
        "It answers every image with one of its classes, also an image that shows none of them.",
        "The interval is about images like the held-out ones, not about another camera or another place.",
    ]
    return f"### Limits\n\n{bullets(sentences)}"


def _overfitting(evaluation: EvaluationResult) -> str:
    if evaluation.overfitting:
        return escape(evaluation.overfitting, 500)
    if evaluation.train_accuracy is None:
        return "Over-fitting: not known, because there are no training curves."
    train, held_out = evaluation.train_accuracy, evaluation.accuracy["value"]
    return f"Over-fitting: none found; accuracy is {train:.1%} on training images, {held_out:.1%} on held-out ones."


def _calibration(evaluation: EvaluationResult) -> str:
    found = evaluation.model.get("temperature", 1.0)
    temperatures = found if isinstance(found, list) else [found]
    text = describe_temperature(temperatures, evaluation.model.get("validation_rows", 0), evaluation.metrics)
    if evaluation.metrics[ERROR] >= LARGE_ERROR:
        text += " Of answers with a probability of 90%, another share than 90% may be right."
    return text


def _unjudged(evaluation: EvaluationResult) -> list[str]:
    names = [escape(row["name"], 40) for row in evaluation.per_class if not row["support"]]
    return [f"Not judged, for want of held-out images: {join_names(names, 5)}."] if names else []
